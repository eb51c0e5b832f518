package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

func TestProofsOfEveryLeaf(t *testing.T) {
	j := openTiny(t, t.TempDir())
	defer mustClose(t, j)
	const n = 70
	fill(t, j, n)
	for size := uint64(1); size <= n; size++ {
		root := rootOf(size)
		for i := range size {
			p, err := j.ProveRecord(size, i)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckRecord(p, int64(size), root, int64(i), tlog.RecordHash(leafOf(i))); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, size, err)
			}
			p2, err := j.ProveTree(size, i+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := tlog.CheckTree(p2, int64(size), root, int64(i)+1, rootOf(i+1)); err != nil {
				t.Fatalf("tree of %d from %d: %v", size, i+1, err)
			}
		}
	}
}

func TestOutOfRange(t *testing.T) {
	j := openTiny(t, t.TempDir())
	defer mustClose(t, j)
	fill(t, j, 300)
	for name, ask := range map[string]func() error{
		"leaf":                func() error { _, err := j.Leaf(300); return err },
		"leaf, huge":          func() error { _, err := j.Leaf(math.MaxUint64); return err },
		"outcome":             func() error { _, err := j.Outcome(300); return err },
		"leaves past the end": func() error { return j.Leaves(299, 301, nil) },
		"leaves backwards":    func() error { return j.Leaves(299, 298, nil) },
		"root":                func() error { _, err := j.Root(301); return err },
		"root, huge":          func() error { _, err := j.Root(math.MaxUint64); return err },
		"proof":               func() error { _, err := j.ProveRecord(300, 300); return err },
		"proof, larger tree":  func() error { _, err := j.ProveRecord(301, 0); return err },
		"tree proof":          func() error { _, err := j.ProveTree(301, 1); return err },
		"tree proof, old":     func() error { _, err := j.ProveTree(300, 301); return err },
		"stored hash":         func() error { _, err := j.ReadHashes([]int64{tlog.StoredHashCount(300)}); return err },
		"stored hash -1":      func() error { _, err := j.ReadHashes([]int64{-1}); return err },
		"tile too wide":       func() error { _, err := j.TileData(0, 1, 45); return err },
		"tile too far":        func() error { _, err := j.TileData(0, 2, 1); return err },
		"tile, huge":          func() error { _, err := j.TileData(0, math.MaxUint64, 1); return err },
		"tile of no width":    func() error { _, err := j.TileData(0, 0, 0); return err },
		"tile of width 257":   func() error { _, err := j.TileData(0, 0, 257); return err },
		"tile level -1":       func() error { _, err := j.TileData(-1, 0, 1); return err },
		"tile level 6":        func() error { _, err := j.TileData(6, 0, 1); return err },
		"tile above":          func() error { _, err := j.TileData(1, 0, 2); return err },
		"bundle too wide":     func() error { _, err := j.EntryBundle(1, 45); return err },
	} {
		var outside *RangeError
		if err := ask(); !errors.As(err, &outside) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := j.ProveTree(300, 0); err == nil {
		t.Error("a proof from the empty tree was made")
	}
}

// A tile client that trusts only a root reads every hash through our tiles.
func TestTilesServeATileClient(t *testing.T) {
	j := openTiny(t, t.TempDir())
	defer mustClose(t, j)
	const n = 700
	fill(t, j, n)
	reader := tlog.TileHashReader(tlog.Tree{N: n, Hash: rootOf(n)}, tiles{j})
	// Single leaves at both ends, and a stride between that meets every tile.
	for i := int64(0); i < n; i += 1 + i%50*(n-i)/n {
		p, err := tlog.ProveRecord(n, i, reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := tlog.CheckRecord(p, n, rootOf(n), i, tlog.RecordHash(leafOf(uint64(i)))); err != nil {
			t.Fatal(err)
		}
	}
}

// tiles offers a journal's tiles as tlog's clients want them, by their paths.
type tiles struct{ j *Journal }

func (ts tiles) Height() int                     { return tileHeight }
func (ts tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (ts tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range wanted {
		path := "tile/" + tile.Path()[len("tile/8/"):]
		level, index, width, err := ParseTilePath(path)
		if err != nil {
			return nil, err
		}
		data, err := ts.j.TileData(level, index, width)
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func TestEntryBundle(t *testing.T) {
	j := openTiny(t, t.TempDir())
	defer mustClose(t, j)
	fill(t, j, 300)
	for _, c := range []struct {
		index uint64
		width int
	}{{0, 256}, {0, 1}, {1, 44}, {1, 7}} {
		bundle, err := j.EntryBundle(c.index, c.width)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(c.width) {
			want := leafOf(c.index*256 + i)
			n := int(order.Uint16(bundle))
			if got := bundle[2 : 2+n]; !bytes.Equal(got, want) {
				t.Fatalf("bundle %d: leaf %d = %q, want %q", c.index, i, got, want)
			}
			bundle = bundle[2+n:]
		}
		if len(bundle) > 0 {
			t.Errorf("bundle %d of %d: %d bytes are left over", c.index, c.width, len(bundle))
		}
	}
}

func TestParseTilePath(t *testing.T) {
	for path, want := range map[string]string{
		"tile/0/000":                     "0 0 256",
		"tile/0/001.p/17":                "0 1 17",
		"tile/5/x001/x234/067":           "5 1234067 256",
		"tile/1/x001/000.p/255":          "1 1000 255",
		"tile/entries/000":               "-1 0 256",
		"tile/entries/x001/x234/067":     "-1 1234067 256",
		"tile/entries/x999/999.p/1":      "-1 999999 1",
		"tile/0/x281/x474/x976/x710/655": "0 281474976710655 256",
	} {
		level, index, width, err := ParseTilePath(path)
		if got := fmt.Sprintf("%d %d %d", level, index, width); err != nil || got != want {
			t.Errorf("%s = %s, %v, want %s", path, got, err, want)
		}
	}
	for _, path := range []string{
		"", "tile", "tile/", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/0/0", "tile/0/00", "tile/0/0000",
		"tile/00/000", "tile/+0/000", "tile/-1/000", "tile/6/000", "tile/64/000", "tile/8/0/000", "tile/data/000",
		"tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/x1/000", "tile/0/X001/000", "tile/0/-01",
		"tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/-1",
		"tile/0/000.p/1/1", "tile/0/000.p/x001/001", "tile/entries/0", "tile/entries", "tile/entries/", "tile/entries/entries/000",
		"tile/entries/data/000", "tile/0/../000", "tile/0/000?x", "tile/0/000%2e", "tile/0/ 00", "tile/0/０００",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/999", "tile/0/x018/x446/x744/x073/x709/x551/616",
	} {
		if level, index, width, err := ParseTilePath(path); err == nil {
			t.Errorf("%q was accepted as %d %d %d", path, level, index, width)
		}
	}
}

func FuzzParseTilePath(f *testing.F) {
	f.Add("tile/0/x001/x234/067.p/5")
	f.Add("tile/entries/000")
	f.Fuzz(func(t *testing.T, path string) {
		level, index, width, err := ParseTilePath(path)
		if err != nil {
			return
		}
		if level < EntriesLevel || level > maxTileLevel || width < 1 || width > tileWidth || int64(index) < 0 {
			t.Errorf("%q = %d %d %d", path, level, index, width)
		}
	})
}
