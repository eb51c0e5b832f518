package cluster

import (
	"context"
	"sync"
	"time"
)

const (
	// statusEvery is how often every peer is asked how it is doing, on networks for
	// which Raft's timeout is a second. On slower ones all times here grow with it.
	statusEvery = 250 * time.Millisecond
	// statusTimeout bounds one such call.
	statusTimeout = 2 * time.Second
	// freshStatus is how old a peer's status may be for it to count as alive.
	freshStatus = 3 * time.Second
	// silentAfter is how old it may be for a leader to be asked for anything.
	silentAfter = 6 * time.Second
	// stuckAfter is how long a peer that does not advance holds the leader back.
	stuckAfter = 10 * time.Second
	// maxBehind is by how many entries a living peer's state machine may trail what
	// the leader proposes. Raft's own figures run ahead of the state machine and
	// would let a slow one fall behind without end.
	maxBehind = 2_048
	// waitAtMost is how long the leader has patience with one peer that trails. It is
	// used up while the peer does and comes back waitShare times as fast while it does
	// not, so that a peer which is a quarter as fast as the others is waited for without
	// end, and one that always trails, or says so, does not stop the cluster.
	waitAtMost = 30 * time.Second
	waitShare  = 3
	// waitLook is the most that counts between two looks.
	waitLook = time.Second
)

// A heard is what a peer said last.
type heard struct {
	status   Status
	at       time.Time
	advanced time.Time // when its entry number last grew

	// The leader's patience: how much of it is used up, and when it last looked.
	waited time.Duration
	looked time.Time
}

// wait uses up patience with a peer that trails, or gives it back.
func (h *heard) wait(trails bool, most time.Duration, now time.Time) {
	if !h.looked.IsZero() {
		passed := min(now.Sub(h.looked), waitLook)
		if trails {
			h.waited = min(h.waited+passed, most)
		} else {
			h.waited = max(h.waited-waitShare*passed, 0)
		}
	}
	h.looked = now
}

// followerLoad knows how all peers are doing.
type followerLoad struct {
	changed signal        // fires when a peer has answered, or failed to
	slower  time.Duration // by how many times the network is slower than usual

	counts func(peer string) bool // whether a peer has a say

	mu    sync.Mutex
	peers map[string]heard
}

func newFollowerLoad(raftTimeout time.Duration, counts func(peer string) bool) *followerLoad {
	return &followerLoad{slower: max(1, raftTimeout/defaultRaftTimeout), counts: counts, peers: make(map[string]heard)}
}

// watch asks one peer again and again, until ctx ends, and then forgets it.
func (f *followerLoad) watch(ctx context.Context, c *calls, peer string) {
	defer f.forget(peer)
	for {
		asking, cancel := context.WithTimeout(ctx, statusTimeout)
		status, err := c.status(asking, peer)
		cancel()
		if err == nil {
			f.hear(peer, status, time.Now())
		}
		// Silence is news too: a dead peer must not hold the leader back.
		f.changed.fire()
		if !pause(ctx, statusEvery*f.slower) {
			return
		}
	}
}

func (f *followerLoad) hear(peer string, s Status, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := f.peers[peer]
	if h.at.IsZero() || s.Entry > h.status.Entry {
		h.advanced = now
	}
	h.status, h.at = s, now
	f.peers[peer] = h
}

func (f *followerLoad) forget(peer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.peers, peer)
}

// alive reports whether a peer has answered lately.
func (f *followerLoad) alive(peer string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, heard := f.peers[peer]
	return heard && time.Since(h.at) < freshStatus*f.slower
}

// silent reports whether a peer that has answered before does so no more: for so long
// that work alone is no reason.
func (f *followerLoad) silent(peer string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, heard := f.peers[peer]
	return heard && time.Since(h.at) > silentAfter*f.slower
}

// near reports whether a peer is alive and its state machine at most maxBehind
// entries behind.
func (f *followerLoad) near(peer string, entry uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, heard := f.peers[peer]
	return heard && time.Since(h.at) < freshStatus*f.slower && h.status.Entry+maxBehind >= entry
}

// behind reports whether a peer that is alive and moves on trails so far that the
// leader should wait, and has not done so for too long. One that is dead or stuck does
// not hold up the others; Raft sends it a snapshot when it comes back. Nor does one that
// joins and catches up.
func (f *followerLoad) behind(proposed uint64, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	most, wait := waitAtMost*f.slower, false
	for name, h := range f.peers {
		if !f.counts(name) {
			continue
		}
		alive := now.Sub(h.at) < freshStatus*f.slower && now.Sub(h.advanced) < stuckAfter*f.slower
		trails := alive && h.status.Entry < proposed && proposed-h.status.Entry > maxBehind
		h.wait(trails, most, now)
		f.peers[name] = h
		wait = wait || trails && h.waited < most
	}
	return wait
}

// list gives what each of the named peers said last.
func (f *followerLoad) list(names []string) []PeerStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]PeerStatus, 0, len(names))
	for _, name := range names {
		h, seen := f.peers[name]
		p := PeerStatus{Name: name, Seen: seen, Status: h.status}
		if seen {
			p.Ago = time.Since(h.at)
		}
		out = append(out, p)
	}
	return out
}
