package logstore

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func anyMark() *rapid.Generator[mark] {
	return rapid.Custom(func(t *rapid.T) mark {
		d := func() (d digest) {
			copy(d[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "digest"))
			return d
		}
		m := mark{store: d(), number: rapid.Uint64().Draw(t, "number"), sets: rapid.Uint64().Draw(t, "sets"), settings: make(map[string]setting)}
		for range rapid.IntRange(1, 2).Draw(t, "logs") {
			m.logs = append(m.logs, position{rapid.Uint64().Draw(t, "generation"), rapid.Uint64().Draw(t, "first"), d(), rapid.Uint64().Draw(t, "last"), d()})
		}
		for range rapid.IntRange(0, 4).Draw(t, "settings") {
			key := string(rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "key"))
			m.settings[key] = setting{rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "value"), rapid.Uint64().Draw(t, "set")}
		}
		return m
	})
}

func TestMarkRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMark().Draw(t, "mark")
		slot, err := m.slot()
		if err != nil || len(slot) != slotSize {
			t.Fatal(len(slot), err)
		}
		got, err := parseMark(slot)
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("got %+v, %v, want %+v", got, err, m)
		}
	})
}

// goldenMark is what the format is, byte for byte.
const goldenMark = `tallyvault-raft-log-mark 1
store 000102030405060708090a0b0c0d0e0f
number 7
sets 3
log 2 first 5 after 10000000000000000000000000000000 last 9 with 20000000000000000000000000000000
log 3 first 8 after 30000000000000000000000000000000 last 9 with 20000000000000000000000000000000
set 2 0000000000000004 to "CurrentTerm"
set 3 6e6f727468 to "LastVoteCand"
`

func TestGoldenMark(t *testing.T) {
	m := mark{number: 7, sets: 3, settings: map[string]setting{
		"LastVoteCand": {[]byte("north"), 3}, "CurrentTerm": {[]byte{7: 4}, 2},
	}, logs: []position{{2, 5, digest{0x10}, 9, digest{0x20}}, {3, 8, digest{0x30}, 9, digest{0x20}}}}
	for i := range m.store {
		m.store[i] = byte(i)
	}
	want := fmt.Sprintf("%ssum %x\n", goldenMark, sha256.Sum256([]byte(goldenMark)))
	if got := string(m.format()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Texts with a right checksum that no mark has.
func TestStrangeMarksAreRefused(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"version":           func(s string) string { return strings.Replace(s, "mark 1", "mark 2", 1) },
		"unknown line":      func(s string) string { return s + "more 1\n" },
		"number with a +":   func(s string) string { return strings.Replace(s, "number 7", "number +7", 1) },
		"number with a 0":   func(s string) string { return strings.Replace(s, "number 7", "number 07", 1) },
		"short digest":      func(s string) string { return strings.Replace(s, "0f\n", "\n", 1) },
		"no digest":         func(s string) string { return strings.Replace(s, "after 1", "after x", 1) },
		"upper case":        func(s string) string { return strings.Replace(s, "0a0b", "0A0b", 1) },
		"log line cut":      func(s string) string { return strings.Replace(s, " last 9", "", 1) },
		"set line cut":      func(s string) string { return strings.Replace(s, " to \"C", "", 1) },
		"setting twice":     func(s string) string { return s + "set 3 00 to \"LastVoteCand\"\n" },
		"unsorted settings": func(s string) string { return strings.ReplaceAll(s, "CurrentTerm", "Z") },
		"blank line":        func(s string) string { return s + "\n" },
		"no line":           func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			body := edit(goldenMark)
			text := fmt.Appendf(nil, "%ssum %x\n", body, sha256.Sum256([]byte(body)))
			if m, err := parseMark(append(text, make([]byte, slotSize-len(text))...)); err == nil {
				t.Errorf("accepted as %+v", m)
			}
		})
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add([]byte(goldenMark), true)
	f.Add([]byte("sum \n\x00"), false)
	f.Fuzz(func(t *testing.T, body []byte, sum bool) {
		text := body
		if sum {
			text = fmt.Appendf(nil, "%ssum %x\n", body, sha256.Sum256(body))
		}
		slot := append(text, make([]byte, max(0, slotSize-len(text)))...)
		m, err := parseMark(slot)
		if err != nil {
			return
		}
		if again, err := m.slot(); err != nil || !bytes.Equal(again, slot) {
			t.Errorf("accepted what no mark is: %q", text)
		}
	})
}

// The newest synced mark outlives whatever happens to a later one that was not.
func TestUnsyncedMarksSpareTheSyncedOne(t *testing.T) {
	path := filepath.Join(fastDir(t), "log.db")
	if err := Create(path); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		f, m, err := openMark(path + markSuffix)
		if err != nil {
			rt.Fatal(err)
		}
		defer f.file.Close()
		synced, newest := m.sets, m.sets
		for range rapid.IntRange(1, 8).Draw(rt, "writes") {
			sync := rapid.Bool().Draw(rt, "sync")
			m.sets++
			if err := f.write(m, sync); err != nil {
				rt.Fatal(err)
			}
			newest = m.sets
			if sync {
				synced = newest
			}
		}
		if got := reread(rt, path); got != newest {
			rt.Fatalf("the newest mark is %d, want %d", got, newest)
		}
		if _, err := f.file.WriteAt(make([]byte, 100), int64((f.safe+1)%slots)*slotSize); err != nil {
			rt.Fatal(err)
		}
		if got := reread(rt, path); got != synced {
			rt.Fatalf("after a power cut the mark is %d, want %d", got, synced)
		}
	})
}

// reread reads the number of sets of the newest valid mark, without its lock.
func reread(t *rapid.T, path string) uint64 {
	b, err := os.ReadFile(path + markSuffix)
	if err != nil {
		t.Fatal(err)
	}
	var newest mark
	for i := range slots {
		if m, err := parseMark(b[i*slotSize : (i+1)*slotSize]); err == nil && m.number > newest.number {
			newest = m
		}
	}
	return newest.sets
}

func TestMarkThatDoesNotFit(t *testing.T) {
	m := mark{logs: []position{{}}, settings: map[string]setting{"k": {make([]byte, slotSize/2), math.MaxUint64}}}
	if _, err := m.slot(); err == nil {
		t.Error("it fits")
	}
}
