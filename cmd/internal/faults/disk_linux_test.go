package faults

import (
	"bytes"
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
func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	d := &disk{t: t, image: dir + ".image", dir: dir}
	err := errors.Join(
		os.Mkdir(dir, 0o700), command("truncate", "-s", "256M", d.image), command("mkfs.ext4", "-q", "-F", d.image), d.mount(),
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
	block := bytes.Repeat([]byte("ballast "), 128)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.must(err)
	}
	return func() { d.must(os.Remove(ballast)) }
}

// disks is a rig whose nodes have a file system each.
func disks(t *testing.T) (*rig, map[string]*disk) {
	t.Helper()
	all := map[string]*disk{}
	r := newRigOn(t, func(dir string, node int) string {
		at := filepath.Join(dir, fmt.Sprintf("disk-%d", node))
		all[filepath.Join(at, "node")] = newDisk(t, at)
		return filepath.Join(at, "node")
	}, nil)
	return r, all
}

// follower is a node that does not lead.
func (r *rig) follower() *node {
	r.t.Helper()
	leader := r.leader()
	for _, n := range r.nodes {
		if n != leader {
			return n
		}
	}
	return nil
}

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

// A leader's disk hangs, then a follower's: its writes wait in the kernel. The leader
// loses the lead, and the node ends, though the kernel keeps its process.
func TestDiskHangs(t *testing.T) {
	wide(t)
	r, all := disks(t)
	l := newLoad(r, 500)
	const noticed = 12 * time.Second
	for _, which := range []func() *node{r.leader, r.follower} {
		l.resumed(time.Now(), resumeWithin, "the start")
		n, now := which(), time.Now()
		all[n.Dir].freeze()
		l.resumed(now.Add(time.Second), noticed+resumeWithin, "the disk of "+n.Name+" hung")
		within(t, noticed+resumeWithin, n.Name+" says why it ends", func() error {
			if said := n.tail(5); !strings.Contains(said, "\ntallyvault: the disk of "+n.Dir+" hangs") {
				return fmt.Errorf("it said:\n%s", said)
			}
			return nil
		})
		all[n.Dir].thaw()
		n.ends(stopWithin, "hangs")
		n.start()
		r.ready()
	}
	r.settle(l)
}

// A disk is full: the node ends, the others go on, and with room it is back.
func TestDiskFull(t *testing.T) {
	wide(t)
	r, all := disks(t)
	l := newLoad(r, 500)
	for _, which := range []func() *node{r.leader, r.follower} {
		l.resumed(time.Now(), resumeWithin, "the start")
		n, now := which(), time.Now()
		free := all[n.Dir].fill()
		n.ends(stopWithin, "no space left on device")
		l.resumed(now, stopWithin, "the disk of "+n.Name+" was full")
		free()
		n.start()
		r.ready()
	}
	r.settle(l)
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

// A sync or write of a running node fails. The node ends before it answers anybody.
func TestDiskFails(t *testing.T) {
	wide(t)
	path := strace(t)
	r := newRig(t)
	l := newLoad(r, 500)
	for _, fault := range []struct {
		inject, words string
		which         func() *node
	}{
		{"fdatasync:error=EIO", "input/output error", r.leader},
		{"fdatasync:error=EIO", "input/output error", r.follower},
		{"pwrite64:error=EIO", "input/output error", r.leader},
		{"pwrite64:error=ENOSPC", "no space left on device", r.follower},
	} {
		l.resumed(time.Now(), resumeWithin, "the start")
		n, now := fault.which(), time.Now()
		call, _, _ := strings.Cut(fault.inject, ":")
		tracer := exec.Command(path, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", "inject="+fault.inject, "-p", fmt.Sprint(n.process.Pid))
		if err := tracer.Start(); err != nil {
			t.Fatal(err)
		}
		n.ends(stopWithin, fault.words)
		_ = tracer.Wait()
		l.resumed(now, stopWithin, fault.inject+" in "+n.Name)
		n.start()
		r.ready()
	}
	r.settle(l)
}

// under is a wrapper that interferes with what syncs.
func under(strace, inject string) []string {
	return []string{strace, "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:" + inject}
}

// again stops all nodes, changes something, and starts them.
func (r *rig) again(change func(i int, n *node)) {
	r.t.Helper()
	r.halt()
	for i, n := range r.nodes {
		change(i, n)
	}
	for _, n := range r.nodes {
		n.start()
	}
	r.ready()
}

// Two disks of three take a tenth of a second for each sync, so that whoever leads
// needs a slow one. That is no reason to end.
func TestDiskSlow(t *testing.T) {
	wide(t)
	path := strace(t)
	r := newRig(t)
	r.again(func(i int, n *node) {
		if i > 0 {
			n.wrapper = under(path, "delay_enter=100000")
		}
	})
	l := newLoad(r, 500)
	let(15 * time.Second)
	l.resumed(time.Now(), resumeWithin, "two disks became slow")
	r.ready()
	r.settle(l)
}

// cutPower takes the power from some nodes at once and gives it back.
func (r *rig) cutPower(all map[string]*disk, nodes ...*node) {
	r.t.Helper()
	for _, n := range nodes {
		d := all[n.Dir]
		d.must(d.ask(shutdownRequest, flushNothing))
	}
	for _, n := range nodes {
		n.kill()
	}
	for _, n := range nodes {
		d := all[n.Dir]
		d.must(command("umount", d.dir))
		d.must(d.mount())
		n.start()
	}
	r.ready()
}

// The leader loses its power, then all nodes at once, under load.
func TestDiskPowerLoss(t *testing.T) {
	wide(t)
	r, all := disks(t)
	l := newLoad(r, 500)
	for range 2 {
		for _, nodes := range [][]*node{{r.leader()}, r.nodes} {
			l.resumed(time.Now(), stopWithin, "the start")
			let(2 * time.Second)
			r.cutPower(all, nodes...)
		}
	}
	l.resumed(time.Now(), stopWithin, "the power cuts")
	r.settle(l)
}

// The same on disks that lie about every sync must be noticed, or this rig could not
// see a loss.
func TestDiskLiesControl(t *testing.T) {
	wide(t)
	path := strace(t)
	r, all := disks(t)
	r.again(func(_ int, n *node) {
		d := all[n.Dir]
		d.must(command("sync", "-f", d.dir))
		n.wrapper = under(path, "retval=0")
	})
	l := newLoad(r, 500)
	l.resumed(time.Now(), stopWithin, "the start")
	let(3 * time.Second)
	l.stopAnd(t)
	for _, n := range r.nodes {
		n.wrapper = nil
	}
	r.cutPower(all, r.nodes...)
	r.halt()
	for _, n := range r.nodes {
		err := newScan(l).node(filepath.Join(n.Dir, "journal"))
		if lost, ok := errors.AsType[*lostError](err); ok {
			t.Logf("%s: as it must be, %v", n.Name, lost)
		} else {
			t.Errorf("%s: a loss of everything that was answered was not seen: %v", n.Name, err)
		}
	}
}
