package faults

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

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

// A leader's disk hangs, then a follower's: its writes wait in the kernel. The leader
// loses the lead, and the node ends, though the kernel keeps its process.
func TestDiskHangs(t *testing.T) {
	wide(t)
	r := newRigOnDisks(t, "256M", nil)
	l := newLoad(r, 500)
	for _, which := range []func() *node{r.leader, r.follower} {
		l.resumed(time.Now(), resumeWithin, "the start")
		n, now := which(), time.Now()
		end := hanging(n)
		l.resumed(now.Add(time.Second), noticed+resumeWithin, "the disk of "+n.Name+" hung")
		end()
		r.ready()
	}
	r.settle(l)
}

// A disk is full: the node ends, the others go on, and with room it is back.
func TestDiskFull(t *testing.T) {
	wide(t)
	r := newRigOnDisks(t, "256M", nil)
	l := newLoad(r, 500)
	for _, which := range []func() *node{r.leader, r.follower} {
		l.resumed(time.Now(), resumeWithin, "the start")
		n, now := which(), time.Now()
		end := filled(n)
		l.resumed(now, stopWithin, "the disk of "+n.Name+" was full")
		end()
		r.ready()
	}
	r.settle(l)
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
		end := failing(n, path, fault.inject, fault.words)
		l.resumed(now, stopWithin, fault.inject+" in "+n.Name)
		end()
		r.ready()
	}
	r.settle(l)
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
func (r *rig) cutPower(nodes ...*node) {
	r.t.Helper()
	powerless(nodes...)()
	r.ready()
}

// The leader loses its power, then all nodes at once, under load.
func TestDiskPowerLoss(t *testing.T) {
	wide(t)
	r := newRigOnDisks(t, "256M", nil)
	l := newLoad(r, 500)
	for range 2 {
		for _, nodes := range [][]*node{{r.leader()}, r.nodes} {
			l.resumed(time.Now(), stopWithin, "the start")
			let(2 * time.Second)
			r.cutPower(nodes...)
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
	r := newRigOnDisks(t, "256M", nil)
	r.again(func(_ int, n *node) {
		d := n.disk()
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
	r.cutPower(r.nodes...)
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
