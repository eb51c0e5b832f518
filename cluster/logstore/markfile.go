//go:build unix

package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	markSuffix = ".mark"
	slots      = 2
	// syncAfter is how old the newest mark on disk may be when entries are appended.
	syncAfter = 100 * time.Millisecond
)

// A markFile holds the marks in two slots. The newest mark that is known to be on
// disk is never written over, so a power cut in the middle of a write leaves it.
// Marks that are not synced go into the other slot, one over the other.
type markFile struct {
	file     *os.File
	number   uint64 // of the newest mark
	safe     int    // the slot of the newest synced mark
	safeLog  bool   // that mark speaks of entries
	syncedAt time.Time
}

// openMark takes the lock of a store, which the operating system drops when the
// process dies, and reads the newest valid mark.
func openMark(path string) (*markFile, mark, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, mark{}, &DamagedError{Path: path, What: "the mark is missing, so nobody knows what this node promised"}
	}
	if err != nil {
		return nil, mark{}, fmt.Errorf("open the mark of raft's log: %w", err)
	}
	m, safe, err := lockAndRead(f)
	if err != nil {
		return nil, mark{}, errors.Join(err, f.Close())
	}
	return &markFile{file: f, number: m.number, safe: safe}, m, nil
}

func lockAndRead(f *os.File) (newest mark, slot int, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return mark{}, 0, ErrLocked
	}
	if err != nil {
		return mark{}, 0, fmt.Errorf("lock the mark of raft's log: %w", err)
	}
	if err := readFromDisk(f); err != nil {
		return mark{}, 0, fmt.Errorf("sync the mark of raft's log: %w", err)
	}
	var errs []error
	buffer := make([]byte, slotSize)
	for i := range slots {
		n, err := f.ReadAt(buffer, int64(i)*slotSize)
		if err == nil || errors.Is(err, io.EOF) {
			var m mark
			if m, err = parseMark(buffer[:n]); err == nil && m.number > newest.number {
				newest, slot = m, i
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("slot %d: %w", i, err))
		}
	}
	if newest.number == 0 {
		return mark{}, 0, &DamagedError{Path: f.Name(), What: "it holds no valid mark", Err: errors.Join(errs...)}
	}
	return newest, slot, nil
}

// write makes m the newest mark. Without sync it survives the death of the process,
// not of the machine.
func (f *markFile) write(m mark, sync bool) error {
	m.number = f.number + 1
	slot, err := m.slot()
	if err != nil {
		return err
	}
	at := (f.safe + 1) % slots
	if _, err := f.file.WriteAt(slot, int64(at)*slotSize); err != nil {
		return fmt.Errorf("write the mark of raft's log: %w", err)
	}
	f.number = m.number
	if !sync {
		return nil
	}
	if err := syncData(f.file); err != nil {
		return fmt.Errorf("sync the mark of raft's log: %w", err)
	}
	f.safe, f.safeLog, f.syncedAt = at, m.logs[len(m.logs)-1].last != 0, time.Now()
	return nil
}

// due says whether the next append must sync the mark: after a while, and when the
// mark on disk says that there are no entries, so that a lost log is always noticed.
func (f *markFile) due() bool { return !f.safeLog || time.Since(f.syncedAt) >= syncAfter }

// syncDir makes the names in a directory durable. Bolt does not, so a power cut
// could otherwise take a new log away whose entries are on disk.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
