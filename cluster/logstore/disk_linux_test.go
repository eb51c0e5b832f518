package logstore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// mount mounts a file system for the test, which needs root.
func mount(t *testing.T, source, kind string, flags uintptr, data string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount(source, dir, kind, flags, data); err != nil {
		t.Skipf("SKIPPED: cannot mount a %s here: %v", kind, err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// The disk is full. The store ends its use; once there is room it opens again with all
// that was answered.
func TestFullDisk(t *testing.T) {
	r := newRig(t)
	r.kill()
	r.dir = mount(t, "tmpfs", "tmpfs", 0, "size=1m")
	r.must(Create(r.path()))
	r.open()
	r.set("CurrentTerm", "1")
	var full error
	for full == nil {
		_, last := r.model.ends()
		logs := entries(last+1, 20, 1)
		if full = r.store.StoreLogs(logs); full == nil {
			r.model.store(logs)
		}
		if last > 20_000 {
			t.Fatal("the disk never became full")
		}
	}
	if !errors.Is(full, syscall.ENOSPC) || len(r.fails) != 1 {
		t.Fatalf("got %v, reported %v", full, r.fails)
	}
	r.allRefuse(full)
	_ = r.store.Close()
	r.kill()
	r.fails = nil
	r.must(syscall.Mount("tmpfs", r.dir, "tmpfs", syscall.MS_REMOUNT, "size=8m"))
	r.open()
	r.check()
	r.grow(20, 2)
	r.check()
}

// In a process of its own the n-th sync or write fails, for each n until none does. The
// process ends by itself, having reported once, and all that it had answered is there.
func TestFailingDisk(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIPPED: no strace here")
	}
	if out, err := exec.Command(strace, "-e", "trace=none", "true").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: strace does not work here: %v: %s", err, out)
	}
	for _, fault := range []string{"fdatasync:error=EIO", "pwrite64:error=EIO", "pwrite64:error=ENOSPC"} {
		t.Run(fault, func(t *testing.T) {
			call, _, _ := strings.Cut(fault, ":")
			step := 1
			if testing.Short() {
				step = 7
			}
			for n := 1; ; n += step {
				r := newRig(t)
				r.kill()
				cmd := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:when=%d", fault, n),
					os.Args[0], "-test.run=^TestLifeInChild$")
				cmd.Env = append(os.Environ(), "LOGSTORE_CHILD="+r.path())
				out, _ := cmd.CombinedOutput()
				answered, failed := r.childSaid(string(out))
				if !failed && answered == len(r.life()) {
					if n == 1 {
						t.Error("nothing was injected")
					}
					t.Logf("each of %d calls failed once", n-1)
					return
				}
				if !failed {
					t.Fatalf("fault %d: the child died without a word:\n%s", n, out)
				}
				r.fails = nil
				r.open()
				if differs(r.store, r.model) != nil && answered < len(r.life()) {
					r.life()[answered].mean(r.model)
				}
				r.check()
			}
		})
	}
}

// childSaid reads what the child did and applies it to the model.
func (r *rig) childSaid(out string) (answered int, failed bool) {
	lines := bufio.NewScanner(strings.NewReader(out))
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case "answered":
			r.life()[answered].mean(r.model)
			answered++
		case "failed":
			failed = failed || strings.Contains(rest, "input/output error") || strings.Contains(rest, "no space left")
		}
	}
	return answered, failed
}

// TestLifeInChild is the child: it opens the store, lives, and ends in the middle of
// things when the store says so.
func TestLifeInChild(t *testing.T) {
	path := os.Getenv("LOGSTORE_CHILD")
	if path == "" {
		t.Skip("this is a part of TestFailingDisk")
	}
	runtime.LockOSThread() // strace counts calls by thread
	end := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stdout, "failed", err)
			t.FailNow()
		}
	}
	s, err := Open(Config{Path: path, Fail: end})
	end(err)
	for _, w := range (&rig{}).life() {
		if err := w.do(s); err != nil {
			t.Fatal("a failure was not reported", err)
		}
		fmt.Fprintln(os.Stdout, "answered")
	}
	end(s.Close())
}

// The power is cut: a file system of its own on a loop device is shut down without its
// caches written. Everything that was answered is there afterwards.
func TestPowerCut(t *testing.T) {
	image := filepath.Join(t.TempDir(), "disk")
	for _, tool := range [][]string{
		{"truncate", "-s", "64M", image}, {"mkfs.ext4", "-q", "-F", image},
	} {
		if out, err := exec.Command(tool[0], tool[1:]...).CombinedOutput(); err != nil {
			t.Skipf("SKIPPED: %v: %v: %s", tool, err, out)
		}
	}
	r := newRig(t)
	r.kill()
	for round := range uint64(8) {
		r.dir = mountImage(t, image)
		if round == 0 {
			r.must(Create(r.path()))
		}
		r.open()
		r.check()
		r.set("CurrentTerm", fmt.Sprint(round))
		for range 10 {
			r.grow(7, round+1)
		}
		first, last := r.model.ends()
		r.delete(first, first+9)
		r.delete(last-3, last)
		r.grow(int(round%3), round+1)
		r.must(shutDown(r.dir))
		r.mayFail(func() error { return r.store.StoreLogs(entries(last+100, 1, 99)) })
		r.kill()
		r.must(syscall.Unmount(r.dir, 0))
	}
}

// mayFail makes a call on a disk without power.
func (r *rig) mayFail(call func() error) {
	r.t.Helper()
	if err := call(); err == nil || len(r.fails) != 1 {
		r.t.Fatalf("a write without power: %v, reported %v", err, r.fails)
	}
	r.fails = nil
}

func mountImage(t *testing.T, image string) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-o", "loop", image, dir).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: cannot mount a file here: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// shutDown is FS_IOC_SHUTDOWN with the flag that nothing is flushed.
func shutDown(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := uint32(2)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), 0x8004587d, uintptr(unsafe.Pointer(&flags)))
	if errno != 0 {
		return errno
	}
	return nil
}
