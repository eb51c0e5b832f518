package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tallyvault/tallyvault/cluster/diskspace"
)

// Bounds of what is well on a disk.
const (
	fewBytes  = 5 << 30
	noBytes   = 256 << 20
	slowSync  = 50 * time.Millisecond
	deadSync  = 2 * time.Second
	syncTries = 16
	syncBytes = 4096
)

const replaceIt = "put the copy back if there is one; otherwise keep the directory and replace the node (runbooks/replace-node.md)"

// permissions: whoever can read the keys is the node.
func (r *Report) permissions(dir string) {
	for _, p := range []struct {
		path     string
		loose    fs.FileMode
		grave    State
		expected string
	}{
		{dir, 0o022, Warn, "700"},
		{filepath.Join(dir, "keys"), 0o077, Fail, "700"},
		{filepath.Join(dir, "keys", "node.key"), 0o077, Fail, "600"},
		{filepath.Join(dir, "keys", "cosigner.key"), 0o077, Fail, "600"},
		{filepath.Join(dir, "keys", "sealing.key"), 0o077, Fail, "600"},
	} {
		info, err := os.Stat(p.path)
		if err != nil {
			r.bad(Fail, "permissions", replaceIt, "%v", err)
			continue
		}
		if info.Mode().Perm()&p.loose != 0 {
			r.bad(p.grave, "permissions", fmt.Sprintf("chmod %s %s, and think of the keys as read by others if others use this machine", p.expected, p.path),
				"%s has mode %04o: others can use it", p.path, info.Mode().Perm())
			continue
		}
		r.ok("permissions", "%s has mode %04o", p.path, info.Mode().Perm())
	}
}

// disk: room, kind, and whether it syncs in time.
func (r *Report) disk(dir string) {
	space, err := diskspace.Of(dir)
	switch {
	case err != nil:
		r.bad(Fail, "disk", "look at the mount and at the user that runs the node", "%v", err)
		return
	case space.Memory:
		r.bad(Fail, "disk", "move the directory to a disk", "%s is on a %s, in memory: a power cut takes everything", dir, space.FileSystem)
	case space.Network:
		r.bad(Warn, "disk", "use a disk of this machine if you can", "%s is on %s, whose syncs are another machine's word", dir, space.FileSystem)
	default:
		r.ok("disk", "%s is on %s", dir, space.FileSystem)
	}
	if space.Total > 0 {
		room := fmt.Sprintf("%.1f GB of %.1f GB are free", float64(space.Free)/1e9, float64(space.Total)/1e9)
		switch {
		case space.Free < noBytes:
			r.bad(Fail, "room", "make room: a node whose disk is full ends", "%s", room)
		case space.Free < fewBytes || space.Free < space.Total/20:
			r.bad(Warn, "room", "make room soon", "%s", room)
		default:
			r.ok("room", "%s", room)
		}
	}
	r.sync(dir)
}

// sync measures what every commit waits for.
func (r *Report) sync(dir string) {
	median, worst, err := syncTimes(dir)
	seen := fmt.Sprintf("a sync of 4 kB takes %s, at worst %s of %d", median.Round(10*time.Microsecond), worst.Round(10*time.Microsecond), syncTries)
	switch {
	case err != nil:
		r.bad(Fail, "sync", "the user that runs the node must be able to write there", "%v", err)
	case worst > deadSync:
		r.bad(Fail, "sync", "look at the disk and the kernel's messages; a node whose disk hangs for 10 s ends", "%s", seen)
	case median > slowSync:
		r.bad(Warn, "sync", "every commit waits for a majority's syncs: use a quicker disk", "%s", seen)
	default:
		r.ok("sync", "%s", seen)
	}
}

func syncTimes(dir string) (median, worst time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*.tmp")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	var times []time.Duration
	for range syncTries {
		before := time.Now()
		if _, err := f.Write(make([]byte, syncBytes)); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(before))
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)-1], nil
}
