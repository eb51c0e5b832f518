package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"

	"github.com/hashicorp/raft"
)

// alter changes all snapshots that a node has on disk, and what stands beside them to
// find damage, as a node that lies would. They are whole then: what is in the node's
// journal is not altered.
func (c *committee) alter(i int, change func(state []byte)) {
	c.t.Helper()
	store := &snapshotStore{replica: c.members[i].replica}
	var err error
	if store.snapshotFiles, err = openSnapshotFiles(filepath.Join(c.nodeDir(i), "raft"), slog.New(slog.DiscardHandler)); err != nil {
		c.t.Fatal(err)
	}
	for _, path := range c.snapshots(i) {
		_, source, err := store.Open(filepath.Base(filepath.Dir(path)))
		if err != nil {
			c.t.Fatal(err)
		}
		data, err := io.ReadAll(source)
		if err := errors.Join(err, source.Close()); err != nil {
			c.t.Fatal(err)
		}
		change(data)
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), snapshotState), data, 0o600); err != nil {
			c.t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			c.t.Fatal(err)
		}
		var meta map[string]any
		if err := json.Unmarshal(text, &meta); err != nil {
			c.t.Fatal(err)
		}
		sum := crc64.New(crc64.MakeTable(crc64.ECMA))
		_, _ = sum.Write(data)
		meta["CRC"], meta["Size"] = sum.Sum(nil), len(data)
		if text, err = json.Marshal(meta); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

// rested waits until a node has nothing left to take a snapshot of.
func (c *committee) rested(i int) {
	c.t.Helper()
	m := c.members[i]
	c.eventually("no further snapshot is due", func() error {
		var index uint64
		for _, path := range c.snapshots(i) {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			var meta raft.SnapshotMeta
			if err := json.Unmarshal(data, &meta); err != nil {
				return err
			}
			index = max(index, meta.Index)
		}
		if m.View().Dirty() || m.raft.Load().LastIndex() >= index+m.config.SnapshotThreshold {
			return errors.New("there is")
		}
		return nil
	})
}

// A leader sends a follower that was away a snapshot in which one receipt says another
// amount. The follower keeps its state and the lie, says so, and goes on from the next
// honest snapshot, also when it is started again in between.
func TestLyingLeaderSnapshot(t *testing.T) {
	c := newCommittee(t, smallSnapshots).startAll()
	c.must(0, c.deposits("early", 3)...)
	leader := c.leader()
	away := c.other(leader)
	c.agree()
	before := c.balance(away)
	c.stop(away)
	own := c.snapshots(away)
	c.must(leader, c.deposits("missed", 40)...)
	c.snapshotted(leader, "more")
	c.rested(leader)
	c.alter(leader, func(state []byte) {
		at := bytes.LastIndex(state, []byte("BLOCK"))
		state[at] = 'b'
	})
	c.start(away)
	refused := func() error {
		if !slices.Contains(c.members[away].Status().LocalAlarms, AlarmSnapshot) {
			return errors.New("no alarm")
		}
		return nil
	}
	c.eventually("the snapshot is refused", refused)
	if got := c.balance(away); got > before {
		t.Errorf("balance %d, before %d", got, before)
	}
	if got := c.snapshots(away); !slices.Equal(got, own) {
		t.Errorf("Raft's snapshots are %v, before %v", got, own)
	}
	if kept, _ := filepath.Glob(filepath.Join(dataDir(c.nodeDir(away)).refused(), "*.snapshot")); len(kept) == 0 {
		t.Error("the lie is not kept")
	}
	c.stop(away)
	c.start(away)
	c.eventually("the alarm stands after a restart", refused)
	c.snapshotted(c.leader(), "honest")
	c.ready(away)
	c.agree()
}

// A node whose newest snapshot is damaged does not start from an older one. It says
// which file it is and what to do.
func TestDamagedSnapshotRefused(t *testing.T) {
	c := newCommittee(t, smallSnapshots).startAll()
	c.snapshotted(1, "first")
	c.snapshotted(1, "second")
	c.stop(1)
	if n := len(c.snapshots(1)); n != keptSnapshots {
		t.Fatalf("%d snapshots", n)
	}
	newest := c.snapshots(1)[keptSnapshots-1]
	state := filepath.Join(filepath.Dir(newest), "state.bin")
	for _, tc := range []struct {
		name, path string
		damage     func(data []byte) []byte
	}{
		{"a flipped byte in the state", state, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"a state cut short", state, func(b []byte) []byte { return b[:len(b)/2] }},
		{"an empty state", state, func([]byte) []byte { return nil }},
		{"an unreadable description", newest, func(b []byte) []byte { return b[:len(b)/2] }},
		{"another description", newest, func(b []byte) []byte { return bytes.Replace(b, []byte(`"ID":"`), []byte(`"ID":"9`), 1) }},
		{"a description that sums up another state", newest, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"CRC":"`), []byte(`"CRC":"AAAA`), 1)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			whole, err := os.ReadFile(tc.path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(tc.path, tc.damage(bytes.Clone(whole)), 0o600); err != nil {
				t.Fatal(err)
			}
			m := c.start(1)
			c.members[1] = nil
			err = m.exit(t)
			damaged, ok := errors.AsType[*DamagedSnapshotError](err)
			if !ok || damaged.Path != filepath.Dir(newest) || !strings.Contains(err.Error(), "replace-node.md") {
				t.Errorf("the node ends with: %v", err)
			}
			if err := os.WriteFile(tc.path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	c.start(1)
	c.ready(1)
	c.agree()
}

// Nobody is told to give up a directory that another version of the program can read.
func TestSnapshotOfOtherVersionIsNotDamaged(t *testing.T) {
	err := &DamagedSnapshotError{"snapshots/1-2-3", fmt.Errorf("state: %w", &fsm.OtherVersionError{Found: "tallyvault-image v1", Want: "tallyvault-image v2"})}
	if said := err.Error(); strings.Contains(said, "damaged") || !strings.Contains(said, "start the version that wrote it") {
		t.Error(said)
	}
}
