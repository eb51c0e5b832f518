package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"go.etcd.io/bbolt"
)

// Rows are put into bolt by bolt itself, so that pages are right and only the meaning
// is not. The mark lags by the last entry, so it does not know the end.
func TestForgedRows(t *testing.T) {
	for name, forge := range map[string]func(s *specimen, b backend) error{
		"an entry without a seal": func(_ *specimen, b backend) error { return b.StoreLogs(entries(232, 1, 2)) },
		"an entry deleted":        func(_ *specimen, b backend) error { return b.DeleteRange(100, 100) },
		"the marked deleted":      func(_ *specimen, b backend) error { return b.DeleteRange(230, 231) },
		"the first deleted":       func(_ *specimen, b backend) error { return b.DeleteRange(61, 61) },
		"all deleted":             func(_ *specimen, b backend) error { return b.DeleteRange(0, 1000) },
		"a setting without a seal": func(_ *specimen, b backend) error {
			return b.Set([]byte("CurrentTerm"), binary.BigEndian.AppendUint64(nil, 3))
		},
		"another setting": func(_ *specimen, b backend) error { return b.Set([]byte("Other"), []byte("value")) },
		"an entry chained elsewhere": func(_ *specimen, b backend) error {
			return forgeEntry(b, 232, 3, digest{1})
		},
		"an entry of before a deletion": func(s *specimen, b backend) error {
			return forgeEntry(b, 232, 2, s.tip())
		},
		"an entry of after a deletion": func(s *specimen, b backend) error {
			return forgeEntry(b, 232, 4, s.tip())
		},
		"generations that fall": func(s *specimen, b backend) error {
			tip := s.tip()
			for i, generation := range []uint64{2, 3} {
				logs, sums, err := sealed(entries(232+uint64(i), 1, 2), generation, tip)
				if err := errors.Join(err, b.StoreLogs(logs)); err != nil {
					return err
				}
				tip = sums[0]
			}
			return nil
		},
		"an entry under another index": func(s *specimen, b backend) error {
			logs, _, err := sealed(entries(232, 1, 2), 3, s.tip())
			if err := errors.Join(err, b.StoreLogs(logs), b.Close()); err != nil {
				return err
			}
			return renameRow(s.path(), 232, 240)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpecimen(t)
			s.restore(s.bolt, s.pastMarks[len(s.pastMarks)-2])
			b, err := openBolt(s.path())
			s.must(err)
			s.must(forge(s, b))
			s.must(b.Close())
			s.try("%s", name)
			if s.refused != 1 {
				t.Error("not refused")
			}
			s.done()
		})
	}
}

func forgeEntry(b backend, index, generation uint64, before digest) error {
	logs, _, err := sealed(entries(index, 1, 2), generation, before)
	return errors.Join(err, b.StoreLogs(logs))
}

// tip is the digest of the specimen's last entry.
func (s *specimen) tip() digest {
	logs := s.newestMark().logs
	return logs[len(logs)-1].tip
}

// renameRow gives an entry another key.
func renameRow(path string, from, to uint64) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		rows, key := tx.Bucket([]byte(bucketLogs)), binary.BigEndian.AppendUint64(nil, from)
		value := bytes.Clone(rows.Get(key))
		return errors.Join(rows.Delete(key), rows.Put(binary.BigEndian.AppendUint64(nil, to), value))
	})
	return errors.Join(err, db.Close())
}
