package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// rowsOf reads a file with check and without bolt.
func rowsOf(path string) (conf, logs map[string]string, err error) {
	file, size, err := openBoltFile(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	conf, logs = make(map[string]string), make(map[string]string)
	into := func(m map[string]string) func(boltRow) error {
		return func(r boltRow) error { m[string(r.key)] = string(r.value); return nil }
	}
	f := &boltFile{file: file, size: size, progress: func(uint64, uint64) {}}
	return conf, logs, f.rows(into(conf), into(logs))
}

// Whatever bolt wrote is read as bolt reads it: inline buckets, deep trees, long keys,
// rows over many pages, pages of other sizes.
func TestBoltFilesAreRead(t *testing.T) {
	dir := fastDir(t)
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, "any.db")
		defer os.Remove(path)
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{
			NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, NoSync: true,
			PageSize: rapid.SampledFrom([]int{1024, 4096, 16384}).Draw(rt, "page size"),
		})
		if err != nil {
			rt.Fatal(err)
		}
		want := map[string]map[string]string{bucketConf: {}, bucketLogs: {}}
		for range rapid.IntRange(0, 12).Draw(rt, "transactions") {
			err := db.Update(func(tx *bbolt.Tx) error { return anyWrites(rt, tx, want) })
			if err != nil {
				rt.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			rt.Fatal(err)
		}
		conf, logs, err := rowsOf(path)
		if err != nil {
			rt.Fatal(err)
		}
		if !maps.Equal(conf, want[bucketConf]) || !maps.Equal(logs, want[bucketLogs]) {
			rt.Fatalf("read %d and %d rows, which are not the %d and %d written", len(conf), len(logs), len(want[bucketConf]), len(want[bucketLogs]))
		}
	})
}

func anyWrites(rt *rapid.T, tx *bbolt.Tx, want map[string]map[string]string) error {
	for name, rows := range want {
		b, err := tx.CreateBucketIfNotExists([]byte(name))
		if err != nil {
			return err
		}
		for range rapid.IntRange(0, 60).Draw(rt, "rows") {
			key := binary.BigEndian.AppendUint64(bytes.Repeat([]byte{'k'}, rapid.SampledFrom([]int{0, 0, 90}).Draw(rt, "long")), rapid.Uint64Range(0, 500).Draw(rt, "key"))
			if rapid.IntRange(0, 3).Draw(rt, "delete") == 0 {
				delete(rows, string(key))
				err = b.Delete(key)
			} else {
				value := bytes.Repeat([]byte{'v'}, rapid.SampledFrom([]int{0, 10, 200, 9000}).Draw(rt, "size"))
				rows[string(key)] = string(value)
				err = b.Put(key, value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Buckets and trees that no store has.
func TestStrangeBoltFilesAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, want string
		make       func(tx *bbolt.Tx) error
	}{
		{"another bucket", `unknown bucket "other"`, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("other")); return err }},
		{"a bucket in a bucket", `row "12345678" has flags 1`, func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(bucketLogs))
			if err == nil {
				_, err = b.CreateBucket([]byte("12345678"))
			}
			return err
		}},
		{"a short key", "key 6162 is not an index", func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte(bucketLogs))
			if err == nil {
				err = b.Put([]byte("ab"), nil)
			}
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(fastDir(t), "strange.db")
			db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Update(c.make); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := readContent(path, digest{}, func(uint64, uint64) {}); !isDamage(err) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Trees that bolt never makes and would panic at, or walk in circles: bytes of a good
// file are changed, and the rows' meaning is asked of nobody.
func TestImpossibleTreesAreRefused(t *testing.T) {
	path := filepath.Join(fastDir(t), "deep.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true, PageSize: 1024})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{bucketConf, bucketLogs} {
			b, err := tx.CreateBucket([]byte(name))
			for i := uint64(0); i < 4000 && err == nil; i++ {
				err = b.Put(binary.BigEndian.AppendUint64(nil, i), make([]byte, 40))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		spoil      func(t tree)
	}{
		{"nothing", "", func(tree) {}},
		{"two buckets share a tree", "pointed to twice", func(t tree) { copy(t.buckets[0], t.buckets[1]) }},
		{"a child is its parent", "pointed to twice", func(t tree) { order.PutUint64(t.top[pageHeader+8:], t.top.id()) }},
		{"a child is a meta page", "not in use", func(t tree) { order.PutUint64(t.top[pageHeader+8:], 1) }},
		{"a child is behind the end", "not in use", func(t tree) { order.PutUint64(t.top[pageHeader+8:], 1<<40) }},
		{"a page without rows", "is empty", func(t tree) { order.PutUint16(t.leaf[10:], 0) }},
		{"a page without children", "is empty", func(t tree) { order.PutUint16(t.middle[10:], 0) }},
		{"too many rows", "outside of itself", func(t tree) { order.PutUint16(t.leaf[10:], 0xffff) }},
		{"too many children", "outside of itself", func(t tree) { order.PutUint16(t.middle[10:], 0xffff) }},
		{"a page over its neighbour", "pointed to twice", func(t tree) { order.PutUint32(t.leaf[12:], 1) }},
		{"a page over its parent", "belongs to two others", func(t tree) { order.PutUint32(t.before[12:], 1) }},
		{"a page over the end", "says that it is page", func(t tree) { order.PutUint32(t.leaf[12:], 1<<31) }},
		{"a page of no kind", "is of kind 3", func(t tree) { order.PutUint16(t.leaf[8:], 3) }},
		{"a page of another number", "says that it is page", func(t tree) { order.PutUint64(t.leaf, 7) }},
		{"rows in disorder", "out of order", func(t tree) { key(t.leaf, 0)[7]++ }},
		{"a row above its page's share", "out of order", func(t tree) { key(t.leaf, t.leaf.count()-1)[0] = 1 }},
		{"a row below its page's share", "out of order", func(t tree) { clear(key(t.leaf, 0)) }},
		{"a row twice", "out of order", func(t tree) { copy(key(t.leaf, 1), key(t.leaf, 0)) }},
		{"children in disorder", "out of order", func(t tree) { copy(key(t.middle, 0), make([]byte, 8)) }},
		{"a child's key too high", "out of order", func(t tree) { key(t.middle, 1)[0] = 0xff }},
		{"a row's key outside", "outside of itself", func(t tree) { order.PutUint32(t.leaf[pageHeader+8:], 1<<31) }},
		{"a child's key outside", "outside of itself", func(t tree) { order.PutUint32(t.middle[pageHeader+4:], 1<<31) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := bytes.Clone(good)
			c.spoil(treeOf(t, bad))
			f := &boltFile{file: bytes.NewReader(bad), size: uint64(len(bad)), progress: func(uint64, uint64) {}}
			any := func(boltRow) error { return nil }
			err := f.rows(any, any)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A tree is pages of a file of small pages, to be changed in place: the top of the
// bucket of entries, the page that lies before it in the file, its second child, and
// the first leaf below that.
type tree struct {
	buckets                   [2][]byte // the roots of conf and logs
	top, before, middle, leaf boltPage
}

func treeOf(t *testing.T, file []byte) (found tree) {
	f := &boltFile{file: bytes.NewReader(file), size: uint64(len(file))}
	if err := f.readMeta(); err != nil {
		t.Fatal(err)
	}
	at := func(id uint64) boltPage { return boltPage(file[id*1024 : (id+1)*1024]) }
	child := func(p boltPage, i int) boltPage {
		_, id, err := p.child(i)
		if err != nil || p.kind() != kindBranch {
			t.Fatal("the tree is not deep enough", err)
		}
		return at(id)
	}
	for i := range 2 {
		r, err := at(f.meta.root).row(i)
		if err != nil {
			t.Fatal(err)
		}
		found.buckets[i] = r.value[:8]
	}
	found.top = at(order.Uint64(found.buckets[1]))
	found.middle = child(found.top, 1)
	found.leaf = child(found.middle, 0)
	found.before = at(found.top.id() - 1)
	return found
}

// key is the key of an element, leaf or branch.
func key(p boltPage, i int) []byte {
	if p.kind() == kindBranch {
		k, _, _ := p.child(i)
		return k
	}
	r, _ := p.row(i)
	return r.key
}

// FuzzOpen puts any bytes anywhere into a closed store's file: the store refuses or
// opens with the right content, and bolt, which would panic, never sees the bad page.
func FuzzOpen(f *testing.F) {
	f.Add(uint32(5000), []byte{0xff, 0xff})
	f.Add(uint32(page+pageHeader), []byte{0})
	f.Add(uint32(2*page+8), []byte{1, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		r := newRig(t)
		r.set("CurrentTerm", "1")
		r.grow(60, 1)
		r.delete(1, 20)
		r.kill()
		bolt, mark := r.files()
		copy(bolt[min(int(at), len(bolt)):], change)
		r.restore(bolt, mark)
		s, err := Open(r.config())
		if err == nil {
			r.store = s
			r.check()
		} else if !isDamage(err) {
			t.Error(err)
		}
	})
}
