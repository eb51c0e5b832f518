package logstore

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestCreate(t *testing.T) {
	r := newRig(t) // which creates and opens
	r.must(r.store.Close())
	r.must(Create(r.path())) // nothing was written yet
	r.open()
	r.set("CurrentTerm", "1")
	r.grow(3, 1)
	if err := Create(r.path()); !errors.Is(err, ErrLocked) {
		t.Errorf("created while open: %v", err)
	}
	r.must(r.store.Close())
	if err := Create(r.path()); err == nil {
		t.Error("created over a store that was written")
	}
	r.open()
	r.check()
	r.kill()
	r.must(os.Remove(r.path() + markSuffix))
	if err := Create(r.path()); err == nil || isDamage(err) {
		t.Errorf("created over a file: %v", err)
	}
}

// Whoever removes both files has an empty node under an old name, which must not start.
func TestEmptyDirectoryIsRefused(t *testing.T) {
	r := newRig(t)
	r.kill()
	r.must(os.Remove(r.path()))
	r.must(os.Remove(r.path() + markSuffix))
	if _, err := Open(r.config()); !isDamage(err) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(r.path()); err == nil {
		t.Error("a file was made")
	}
}

// A crash between the mark and bolt's first file leaves nothing that was promised.
func TestPristineStoreOpensWithoutFile(t *testing.T) {
	for name, left := range map[string]func(path string) error{
		"none":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.kill()
			r.must(left(r.path()))
			r.open()
			r.check()
		})
	}
}

// The first setting and the first entry are on disk in the mark, so that from then on
// an empty or missing file is refused, even after a power cut.
func TestFirstWriteIsMarked(t *testing.T) {
	for name, first := range map[string]func(r *rig){
		"setting": func(r *rig) { r.set("CurrentTerm", "1") },
		"entry":   func(r *rig) { r.grow(1, 1) },
		"entry after all were deleted": func(r *rig) {
			r.grow(5, 1)
			r.delete(1, 5)
			r.append(entries(6, 1, 1)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			first(r)
			r.cutPower()
			bolt, mark := r.files()
			for _, n := range []int{-1, 0} {
				r.must(os.Remove(r.path()))
				if n == 0 {
					r.restore(nil, mark)
				}
				if _, err := Open(r.config()); !isDamage(err) {
					t.Errorf("%d bytes left: %v", n, err)
				}
				r.restore(bolt, mark)
			}
			r.open()
			r.check()
		})
	}
}

// A setting whose mark was lost in a crash keeps its number; the next one gets another.
func TestSettingsAreCountedOn(t *testing.T) {
	r := newRig(t)
	r.set("CurrentTerm", "1")
	_, mark := r.files()
	r.set("CurrentTerm", "2")
	r.kill()
	bolt, _ := r.files()
	r.restore(bolt, mark)
	r.open()
	r.check()
	r.set("LastVoteCand", "north")
	if have := r.store.settings["LastVoteCand"].set; have != 3 {
		t.Errorf("the third write is counted as %d", have)
	}
}

// A mark may lag by one setting, which a crash came after, and by no more.
func TestMarkLagsByOneSetting(t *testing.T) {
	for _, keys := range [][]string{{"A", "A"}, {"A", "B"}, {"CurrentTerm", "A"}} {
		r := newRig(t)
		r.set("CurrentTerm", "1")
		_, mark := r.files()
		for i, key := range keys {
			r.set(key, "2")
			r.kill()
			bolt, newest := r.files()
			r.restore(bolt, mark)
			s, err := Open(r.config())
			if i == 0 {
				r.must(err)
				r.must(s.Close())
			} else if !isDamage(err) || !strings.Contains(err.Error(), "the mark is older than the file") {
				t.Errorf("%v: got %v", keys, err)
			}
			r.restore(bolt, newest)
			r.open()
		}
		r.check()
	}
}

// The end of the log was rewritten by a new leader, to the same index: the file from
// before is as long, and refused.
func TestRewrittenEndIsNoticed(t *testing.T) {
	r := newRig(t)
	r.grow(10, 1)
	bolt, _ := r.files()
	r.delete(10, 10)
	r.grow(1, 2)
	r.kill()
	_, mark := r.files()
	r.restore(bolt, mark)
	if _, err := Open(r.config()); !isDamage(err) || !strings.Contains(err.Error(), "another entry was stored there") {
		t.Errorf("got %v", err)
	}
}

// A deletion that has returned is on disk in the mark: what was deleted does not come
// back, even if the power is cut at once.
func TestDeletionIsMarked(t *testing.T) {
	for name, ends := range map[string][2]uint64{"front": {1, 4}, "back": {8, 10}, "all": {1, 10}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.grow(10, 1)
			bolt, _ := r.files()
			r.delete(ends[0], ends[1])
			r.cutPower()
			newest, mark := r.files()
			r.restore(bolt, mark)
			if _, err := Open(r.config()); !isDamage(err) {
				t.Errorf("got %v", err)
			}
			r.restore(newest, mark)
			r.open()
			r.check()
		})
	}
}

func TestOneProcessAtATime(t *testing.T) {
	r := newRig(t)
	if _, err := Open(r.config()); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	r.grow(1, 1)
	r.check()
}

func TestOpenNeedsSomebodyToTell(t *testing.T) {
	if _, err := Open(Config{Path: "x"}); err == nil {
		t.Error("opened")
	}
}

// The settings must fit into the mark, with room for its numbers to grow.
func TestSettingsAreLimited(t *testing.T) {
	r := newRig(t)
	for n := 0; ; n += 8 {
		value := strings.Repeat("v", n)
		if err := r.store.Set([]byte("LastVoteCand"), []byte(value)); err != nil {
			if n < 1000 || len(r.fails) != 1 {
				t.Errorf("%d bytes: %v, reported %v", n, err, r.fails)
			}
			break
		}
		r.model.settings["LastVoteCand"] = value
	}
	r.fails = nil
	r.kill()
	r.open()
	r.append(entries(1<<62, 3, 1<<62)...)
	r.delete(1<<62, 1<<62)
	r.check()
}

func TestProgressIsReported(t *testing.T) {
	r := newRig(t)
	for range 40 {
		r.append(batchOf(r.store.chain.last+1, 64, 10_000)...)
	}
	r.kill()
	c := r.config()
	var reports, last, total uint64
	c.Progress = func(checked, all uint64) {
		if checked < last || checked > all {
			t.Errorf("%d of %d after %d", checked, all, last)
		}
		reports, last, total = reports+1, checked, all
	}
	s, err := Open(c)
	r.must(err)
	r.store = s
	if reports < 2 || last != total || total < 40*64*10_000 {
		t.Errorf("%d reports, the last of %d of %d", reports, last, total)
	}
}
