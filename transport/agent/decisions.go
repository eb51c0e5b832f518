package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gofrs/flock"
)

// Sizes of a decision log unless they are set.
const (
	defaultLogBytes = 64 << 20
	defaultLogFiles = 4
	maxLogLine      = 64 << 10
	mostLogFiles    = 1_000
)

// LogOptions say how a decision log is kept.
type LogOptions struct {
	Bytes int64 // of one file before the next one is begun; default 64 MiB
	Files int   // kept in all; default 4
}

// normal fills the defaults in and refuses what cannot work.
func (o LogOptions) normal() (LogOptions, error) {
	if o.Bytes == 0 {
		o.Bytes = defaultLogBytes
	}
	if o.Files == 0 {
		o.Files = defaultLogFiles
	}
	if o.Bytes < 2*maxLogLine || o.Files < 2 || o.Files > mostLogFiles {
		return o, fmt.Errorf("a decision log needs 2 to %d files of %d bytes at least", mostLogFiles, 2*maxLogLine)
	}
	return o, nil
}

// Decisions is a log of verdicts in files of JSON lines. What was decided is on
// the disk before anything of it is sent, so that an agent that starts again says
// the same again. The file at the path is the newest, the one with .1 behind its
// name the one before it, and so on; each begins with a line that says whose it is.
type Decisions struct {
	path    string
	options LogOptions
	lock    *flock.Flock

	mu    sync.Mutex
	file  *os.File // nil until the log is claimed, and after a rotation that failed
	size  int64
	owner logHead
	past  []Decision // what the files held when they were opened
}

// logHead is the first line of each file.
type logHead struct {
	Log     string `json:"log"`
	Version int    `json:"version"`
	Cluster string `json:"cluster"`
	Oracle  string `json:"oracle"`
}

const (
	logName    = "tallyvault oracle decisions"
	logVersion = 1
)

// OpenDecisions opens or begins the log of one agent. Two agents cannot have it
// open at once, which is as it must be: they would contradict each other.
func OpenDecisions(path string, o LogOptions) (*Decisions, error) {
	o, err := o.normal()
	if err != nil {
		return nil, err
	}
	d := &Decisions{path: path, options: o, lock: flock.New(path + ".lock")}
	free, err := d.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("locking the decision log: %w", err)
	}
	if !free {
		return nil, fmt.Errorf("another agent has the decision log %s open: one oracle must not be run twice", path)
	}
	if err := d.load(); err != nil {
		return nil, errors.Join(err, d.lock.Close())
	}
	return d, nil
}

// Close gives the log free.
func (d *Decisions) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if d.file != nil {
		err = d.file.Close()
	}
	return errors.Join(err, d.lock.Close())
}

// load reads what is there. A line that a crash cut off was not acted on.
func (d *Decisions) load() error {
	torn, err := readLog(d.path, func(head logHead) error {
		if d.owner != (logHead{}) && d.owner != head {
			return fmt.Errorf("it is of oracle %s in cluster %s, the files before it are of oracle %s in cluster %s", head.Oracle, head.Cluster, d.owner.Oracle, d.owner.Cluster)
		}
		d.owner = head
		return nil
	}, func(past Decision) error {
		d.past = append(d.past, past)
		return nil
	})
	if err != nil {
		return err
	}
	if torn >= 0 {
		if err := os.Truncate(d.path, torn); err != nil {
			return fmt.Errorf("cutting off the unfinished end of %s: %w", d.path, err)
		}
	}
	return nil
}

// claim says whose log this is, and opens it for writing. It returns what was
// decided before, oldest first.
func (d *Decisions) claim(cluster, oracle string) ([]Decision, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	mine := logHead{logName, logVersion, cluster, oracle}
	if d.owner != (logHead{}) && d.owner != mine {
		return nil, fmt.Errorf("the decision log %s is of oracle %s in cluster %s, not of %s in %s: name another file", d.path, d.owner.Oracle, d.owner.Cluster, oracle, cluster)
	}
	d.owner = mine
	past := d.past
	d.past = nil
	return past, d.open()
}

// open opens the newest file and begins it if it is empty.
func (d *Decisions) open() error {
	file, err := os.OpenFile(d.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the decision log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("opening the decision log: %w", err), file.Close())
	}
	d.file, d.size = file, info.Size()
	if d.size > 0 {
		return nil
	}
	head, err := json.Marshal(d.owner)
	if err != nil {
		return err
	}
	if err := d.write(append(head, '\n')); err != nil {
		d.file = nil // nothing may stand in a file without its head
		return errors.Join(err, file.Close())
	}
	return syncDir(filepath.Dir(d.path))
}

// append brings decisions to the disk.
func (d *Decisions) append(decided []Decision) error {
	if len(decided) == 0 {
		return nil
	}
	var lines bytes.Buffer
	out := json.NewEncoder(&lines)
	for _, one := range decided {
		if err := out.Encode(one); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		if err := d.open(); err != nil {
			return err
		}
	}
	if d.size+int64(lines.Len()) > d.options.Bytes {
		if err := d.rotate(); err != nil {
			return err
		}
	}
	return d.write(lines.Bytes())
}

func (d *Decisions) write(data []byte) error {
	_, err := d.file.Write(data)
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		// What the file holds now is not known: back to what is.
		return errors.Join(fmt.Errorf("writing the decision log: %w", err), d.file.Truncate(d.size))
	}
	d.size += int64(len(data))
	return nil
}

// rotate renames the files by one and begins a new one.
func (d *Decisions) rotate() error {
	err := d.file.Close()
	d.file = nil
	if err != nil {
		return fmt.Errorf("rotating the decision log: %w", err)
	}
	for n := d.options.Files - 1; n > 0; n-- {
		if err := os.Rename(numbered(d.path, n-1), numbered(d.path, n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("rotating the decision log: %w", err)
		}
	}
	return d.open()
}

// numbered is the name of a file of the log; 0 is the newest.
func numbered(path string, n int) string {
	if n == 0 {
		return path
	}
	return fmt.Sprintf("%s.%d", path, n)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
