package faults

import (
	"bytes"
	"context"
	endian "encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// refusedWithin is how long a damaged node may look at its directory.
const refusedWithin = 20 * time.Second

// boltPage is the size of bolt's pages here, the operating system's.
var boltPage = os.Getpagesize()

// specimen is the directory of a node that was stopped in order, and its Raft log from
// some time before.
type specimen struct {
	dir string
	old []byte
}

// newSpecimen has a committee work and stops it.
func newSpecimen(t *testing.T) *specimen {
	t.Helper()
	r := newRig(t)
	s := &specimen{dir: r.nodes[0].Dir}
	l := newLoad(r, 500)
	l.resumed(time.Now(), resumeWithin, "the start")
	r.halt()
	var err error
	if s.old, err = os.ReadFile(filepath.Join(s.dir, "raft", "log.db")); err != nil {
		t.Fatal(err)
	}
	for _, n := range r.nodes {
		n.start()
	}
	r.ready()
	l.resumed(time.Now(), stopWithin, "the restart")
	l.stopAnd(t)
	r.halt()
	return s
}

// damage changes a file of a copy. It gets what the file holds and returns what it is
// to hold; nil removes it.
type damage func(s *specimen, data []byte) []byte

// flipped is one bit of a byte at a fraction of the file.
func flipped(numerator, denominator int) damage {
	return func(_ *specimen, data []byte) []byte {
		data[len(data)*numerator/denominator] ^= 0x10
		return data
	}
}

func truncated(_ *specimen, data []byte) []byte { return data[:len(data)*2/3] }
func emptied(*specimen, []byte) []byte          { return []byte{} }
func missing(*specimen, []byte) []byte          { return nil }
func older(s *specimen, _ []byte) []byte        { return s.old }

// zeroed is a page of entries without content.
func zeroed(_ *specimen, data []byte) []byte {
	page, _ := newest(data)
	clear(data[page : page+boltPage])
	return data
}

// stale is a page of entries as it was before.
func stale(s *specimen, data []byte) []byte {
	for at := 2 * boltPage; at+boltPage <= min(len(s.old), len(data)); at += boltPage {
		copy(data[at:at+boltPage], s.old[at:])
	}
	return data
}

// cut ends a log within its entries. What lies behind them is room that bolt keeps.
func cut(_ *specimen, data []byte) []byte {
	page, _ := newest(data)
	return data[:page]
}

// newest finds the page of the log's last entries, and the middle of the last entry.
// Bolt keeps pages that it no longer uses; of those with the same entries, the one in
// use reaches furthest.
func newest(data []byte) (page, entry int) {
	const leafFlag, header, element = 0x02, 16, 16 // bytes
	little := endian.LittleEndian
	var last uint64
	for at := 2 * boltPage; at+boltPage <= len(data); at += boltPage {
		count := int(little.Uint16(data[at+10:]))
		if little.Uint16(data[at+8:]) != leafFlag || count == 0 {
			continue
		}
		e := at + header + (count-1)*element
		if e+element > len(data) || little.Uint32(data[e+8:]) != 8 {
			continue // no entry: their keys have eight bytes
		}
		key, size := e+int(little.Uint32(data[e+4:])), int(little.Uint32(data[e+12:]))
		if key+8+size > len(data) {
			continue
		}
		if index := endian.BigEndian.Uint64(data[key:]); index > last {
			last, page, entry = index, at, key+8+size/2
		}
	}
	return page, entry
}

// olderMeta spoils the newer of bolt's two meta pages, upon which bolt by itself goes
// back to the older one without a word.
func olderMeta(_ *specimen, data []byte) []byte {
	const transactionAt = 16 + 48 // behind the page's header and what comes before in the meta
	newer := 0
	if endian.LittleEndian.Uint64(data[boltPage+transactionAt:]) > endian.LittleEndian.Uint64(data[transactionAt:]) {
		newer = boltPage
	}
	data[newer+transactionAt] ^= 0x40
	return data
}

const replaceIt = "runbooks/replace-node.md"

// Every file that a node stands on may be damaged. It does not start then, and says
// which file, and what to do.
func TestDamagedDirectory(t *testing.T) {
	s := newSpecimen(t)
	t.Run("undamaged", func(t *testing.T) {
		if code, said := s.serve(t, s.copied(t)); code != stillServes {
			t.Errorf("it ended with %d: %s", code, said)
		}
	})
	for _, c := range []struct {
		name, file string
		damage     damage
		says       []string
	}{
		{"log flipped", "raft/log.db", flipInNewest, []string{"raft log is damaged", replaceIt}},
		{"log zeroed page", "raft/log.db", zeroed, []string{"raft log is damaged", replaceIt}},
		{"log stale pages", "raft/log.db", stale, []string{"raft log is damaged", replaceIt}},
		{"log older meta", "raft/log.db", olderMeta, []string{"raft log is damaged", replaceIt}},
		{"log older file", "raft/log.db", older, []string{"raft log is damaged", replaceIt}},
		{"log truncated", "raft/log.db", cut, []string{"raft log is damaged", replaceIt}},
		{"log emptied", "raft/log.db", emptied, []string{"raft log is damaged", replaceIt}},
		{"log missing", "raft/log.db", missing, []string{"raft log is damaged", replaceIt}},
		{"vote mark emptied", "raft/log.db.mark", emptied, []string{"raft log is damaged", replaceIt}},
		{"vote mark missing", "raft/log.db.mark", missing, []string{"raft log is damaged", replaceIt}},
		{"leaf flipped", "journal/leaves/0000000000.plain", flipped(1, 2), []string{"journal is damaged", replaceIt}},
		{"leaves truncated", "journal/leaves/0000000000.plain", truncated, []string{"journal is damaged", replaceIt}},
		{"leaves missing", "journal/leaves/0000000000.plain", missing, []string{"journal is damaged", replaceIt}},
		{"outcome flipped", "journal/outcomes/0000000000.plain", flipped(1, 2), []string{"journal is damaged", replaceIt}},
		{"outcomes truncated", "journal/outcomes/0000000000.plain", truncated, []string{"journal is damaged", replaceIt}},
		{"index flipped", "journal/index/*.gen", flipped(1, 2), []string{"journal is damaged", replaceIt}},
		{"index missing", "journal/index/*.gen", missing, []string{"journal is damaged", replaceIt}},
		{"hashes truncated", "journal/hashes", truncated, []string{"journal is damaged", replaceIt}},
		{"journal mark flipped", "journal/mark", flipped(1, 4), []string{"journal is damaged", replaceIt}},
		{"journal mark missing", "journal/mark", missing, []string{"journal is damaged", replaceIt}},
		{"signed flipped size", "signed.json", digit(`"size":"`), []string{replaceIt}},
		{"signed flipped root", "signed.json", digit(`"root":"`), []string{replaceIt}},
		{"signed emptied", "signed.json", emptied, []string{replaceIt}},
		{"signed missing", "signed.json", missing, []string{replaceIt}},
		{"owner flipped", "cluster.json", flipped(1, 2), []string{replaceIt}},
		{"owner missing", "cluster.json", missing, []string{replaceIt}},
		{"checkpoint flipped", "checkpoint", flipped(1, 2), []string{"remove it alone"}},
		{"node key flipped", "keys/node.key", flipped(1, 2), []string{replaceIt, "keys/node.key"}},
		{"cosigner key flipped", "keys/cosigner.key", flipped(1, 2), []string{replaceIt, "keys/cosigner.key"}},
		{"cosigner key missing", "keys/cosigner.key", missing, []string{replaceIt, "keys/cosigner.key"}},
		{"sealing key truncated", "keys/sealing.key", truncated, []string{replaceIt, "keys/sealing.key"}},
		{"statement flipped", "node.json", flipped(1, 2), []string{"put the copy back"}},
		{"genesis flipped", "genesis.json", flipped(1, 2), []string{"take it from another node"}},
		{"genesis truncated", "genesis.json", truncated, []string{"take it from another node"}},
		{"genesis missing", "genesis.json", missing, []string{"put the cluster's genesis back"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := s.copied(t)
			file := s.spoil(t, dir, c.file, c.damage)
			code, said := s.serve(t, dir)
			if code != 1 {
				t.Errorf("status %d, want 1:\n%s", code, said)
			}
			for _, words := range append(c.says, strings.TrimSuffix(filepath.Base(file), ".plain")) {
				if !strings.Contains(said, words) {
					t.Errorf("it does not say %q:\n%s", words, said)
				}
			}
		})
	}
}

// flipInNewest flips one bit in the middle of the last entry.
func flipInNewest(_ *specimen, data []byte) []byte {
	_, entry := newest(data)
	data[entry] ^= 0x01
	return data
}

// digit changes the last digit of a text, and leaves a text of the same form.
func digit(behind string) damage {
	return func(_ *specimen, data []byte) []byte {
		at := bytes.Index(data, []byte(behind)) + len(behind)
		end := at + bytes.IndexByte(data[at:], '"') - 1
		data[end] ^= 0x01
		return data
	}
}

// copied is another directory with the same content.
func (s *specimen) copied(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "node")
	if err := command("cp", "-a", s.dir, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// spoil damages a file, and gives its name.
func (s *specimen) spoil(t *testing.T, dir, pattern string, d damage) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no %s: %v", pattern, err)
	}
	was, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	is := d(s, bytes.Clone(was))
	if bytes.Equal(was, is) && is != nil {
		t.Fatalf("%s is not damaged", files[0])
	}
	if is == nil {
		err = os.Remove(files[0])
	} else {
		err = os.WriteFile(files[0], is, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return files[0]
}

// stillServes is the status of a node that did not end.
const stillServes = -1

// serve starts the program on a directory until it ends or serves, and gives its
// status and words.
func (s *specimen) serve(t *testing.T, dir string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), refusedWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "serve", "--dir", dir, "--ops-addr", "",
		"--peer-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	word := make([]byte, 1)
	serves, _ := out.Read(word) // it says where it listens once it has opened everything
	if serves > 0 {
		cancel()
	}
	err = cmd.Wait()
	if serves > 0 {
		return stillServes, complaint.String()
	}
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return failed.ExitCode(), complaint.String()
	}
	return 0, complaint.String()
}
