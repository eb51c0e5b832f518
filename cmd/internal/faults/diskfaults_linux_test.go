package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Requests to a file system, from linux/fs.h and xfs_fs.h.
const (
	freezeRequest   = 0xc0045877
	thawRequest     = 0xc0045878
	shutdownRequest = 0x8004587d
	flushNothing    = 2 // the shutdown of a disk that has lost its power
)

// disk is a file system of its own on a loop device.
type disk struct {
	t          *testing.T
	image, dir string
}

// newDisk makes one and mounts it. Its own journal is written only when somebody
// syncs: what nobody synced is gone after a power cut.
func newDisk(t *testing.T, dir, size string) *disk {
	t.Helper()
	d := &disk{t: t, image: dir + ".image", dir: dir}
	err := errors.Join(
		os.Mkdir(dir, 0o700), command("truncate", "-s", size, d.image), command("mkfs.ext4", "-q", "-F", d.image), d.mount(),
	)
	if err != nil {
		t.Skipf("SKIPPED: no file system of its own: %v", err)
	}
	t.Cleanup(func() { _ = command("umount", "-l", dir) })
	return d
}

func (d *disk) mount() error { return command("mount", "-o", "loop,commit=300", d.image, d.dir) }

// ask makes a request to the file system.
func (d *disk) ask(request, argument uint32) error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), uintptr(request), uintptr(unsafe.Pointer(&argument)))
	if failed != 0 {
		return failed
	}
	return nil
}

// must demands that something about the disk succeeds.
func (d *disk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("the disk at %s: %v", d.dir, err)
	}
}

// freeze makes every write wait in the kernel, where nothing can end it.
func (d *disk) freeze() {
	d.t.Helper()
	d.must(d.ask(freezeRequest, 0))
	d.t.Cleanup(func() { _ = d.ask(thawRequest, 0) })
}

func (d *disk) thaw() {
	d.t.Helper()
	d.must(d.ask(thawRequest, 0))
}

// fill leaves no room, and gives back what makes room again.
func (d *disk) fill() (free func()) {
	d.t.Helper()
	ballast := filepath.Join(d.dir, "ballast")
	f, err := os.Create(ballast)
	d.must(err)
	defer f.Close()
	for at, size := int64(0), int64(1<<30); size > 0; {
		switch err := syscall.Fallocate(int(f.Fd()), 0, at, size); {
		case err == nil:
			at += size
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		default:
			d.must(err)
		}
	}
	return func() { d.must(os.Remove(ballast)) }
}

// newRigOnDisks is a rig whose nodes have a file system each.
func newRigOnDisks(t *testing.T, size string, on *network) *rig {
	t.Helper()
	disks := map[string]*disk{}
	r := newRigOn(t, func(dir string, node int) string {
		at := filepath.Join(dir, fmt.Sprintf("disk-%d", node))
		disks[filepath.Join(at, "node")] = newDisk(t, at, size)
		return filepath.Join(at, "node")
	}, on)
	r.disks = disks
	return r
}

func (n *node) disk() *disk { return n.rig.disks[n.Dir] }

// ends demands that a node ends by itself with status 1 and last words.
func (n *node) ends(within time.Duration, words string) {
	n.rig.t.Helper()
	err := n.gone(within)
	if failed, ok := errors.AsType[*exec.ExitError](err); !ok || failed.ExitCode() != 1 {
		n.rig.t.Errorf("%s ended with %v, not with status 1", n.Name, err)
	}
	if said := n.tail(5); !strings.Contains(said, words) {
		n.rig.t.Errorf("%s ended without a word of %q:\n%s", n.Name, words, said)
	}
}

// noticed is how soon a node sees that its disk hangs.
const noticed = 12 * time.Second

// hanging lets a node's disk hang. What comes back waits until the node has noticed,
// and gives it a disk that works.
func hanging(n *node) (end func()) {
	n.disk().freeze()
	return func() {
		within(n.rig.t, noticed+resumeWithin, n.Name+" says why it ends", func() error {
			if said := n.tail(5); !strings.Contains(said, "\ntallyvault: the disk of "+n.Dir+" hangs") {
				return fmt.Errorf("it said:\n%s", said)
			}
			return nil
		})
		n.disk().thaw()
		n.ends(stopWithin, "hangs")
		n.start()
	}
}

// filled leaves a node's disk no room, until it ends. What comes back makes room.
func filled(n *node) (end func()) {
	free := n.disk().fill()
	n.ends(stopWithin, "no space left on device")
	return func() {
		free()
		n.start()
	}
}

// strace is the program that makes system calls fail.
func strace(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err == nil {
		err = command(path, "-qq", "-o", "/dev/null", "-e", "trace=none", "true")
	}
	if err != nil {
		t.Skipf("SKIPPED: no strace here: %v", err)
	}
	return path
}

// failing lets system calls of a node fail, until it ends.
func failing(n *node, strace, inject, words string) (end func()) {
	call, _, _ := strings.Cut(inject, ":")
	tracer := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+inject, "-p", fmt.Sprint(n.process.Pid))
	if err := tracer.Start(); err != nil {
		n.rig.t.Fatal(err)
	}
	n.ends(stopWithin, words)
	_ = tracer.Wait()
	return n.start
}

// under is a wrapper that interferes with what syncs.
func under(strace, inject string) []string {
	return []string{strace, "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:" + inject}
}

// powerless takes the power from some nodes at once. What comes back gives it back.
func powerless(nodes ...*node) (end func()) {
	for _, n := range nodes {
		n.disk().must(n.disk().ask(shutdownRequest, flushNothing))
	}
	for _, n := range nodes {
		n.kill()
	}
	return func() {
		for _, n := range nodes {
			d := n.disk()
			d.must(command("umount", d.dir))
			d.must(d.mount())
			n.start()
		}
	}
}
