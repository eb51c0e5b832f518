package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

const (
	// forwardedWithin is how soon a forwarded command must be applied on the node
	// that forwarded it. A leader that withholds commands is noticed by this.
	forwardedWithin = 30 * time.Second
	// maxForwarded bounds how many are watched; under more load than this the rest
	// goes unwatched.
	maxForwarded = 65_536
	// watchEvery is how often the watch looks.
	watchEvery = time.Second
	// alarmFor is how long the alarm stands after the last overdue command.
	alarmFor = time.Minute
)

// forwards are the commands that this node handed to a leader and has not applied
// itself yet.
type forwards struct {
	added signal // fires when there is something to watch

	mu   sync.Mutex
	sent map[fsm.Identity]forwarded
}

type forwarded struct {
	leader  string
	at      time.Time
	claimed *fsm.Outcome // what the leader has answered already
}

// add begins to watch commands, or watches them anew under another leader.
func (f *forwards) add(commands []*fsm.Command, leader string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sent == nil {
		f.sent = make(map[fsm.Identity]forwarded)
	}
	for _, c := range commands {
		known, ok := f.sent[c.Identity()]
		if ok && known.leader == leader || !ok && len(f.sent) >= maxForwarded {
			continue
		}
		f.sent[c.Identity()] = forwarded{leader: leader, at: now}
	}
	f.added.fire()
}

func (f *forwards) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}

// claim remembers what the leader has answered, until the same is applied here.
func (f *forwards) claim(o *fsm.Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s, ok := f.sent[o.ID]; ok {
		s.claimed = o
		f.sent[o.ID] = s
	}
}

// done forgets a command that was applied here, or was not logged, and gives back
// what is known of it.
func (f *forwards) done(id fsm.Identity) forwarded {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sent[id]
	delete(f.sent, id)
	return s
}

// forget drops everything: a snapshot has taken the place of the entries in which
// the commands would have been seen.
func (f *forwards) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.sent)
}

// overdue forgets what has waited too long and names what this leader, who still
// leads, should have had applied. What went to a leader who is gone may be lost;
// those who sent it were told so.
func (f *forwards) overdue(leader string, now time.Time) (late []fsm.Identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, s := range f.sent {
		if now.Sub(s.at) <= forwardedWithin {
			continue
		}
		delete(f.sent, id)
		if s.leader == leader {
			late = append(late, id)
		}
	}
	return late
}

// unapplied are those of some commands that have no outcome here. A command that is
// sent again may have been applied before it was forwarded once more; if nobody waited
// for that answer, nothing has ended the watch.
func (n *Node) unapplied(ids []fsm.Identity) []fsm.Identity {
	return slices.DeleteFunc(ids, func(id fsm.Identity) bool {
		o, err := n.outcome(id)
		if err != nil {
			n.fail(err)
		}
		return o != nil
	})
}

// watchForwards raises an alarm while forwarded commands are not applied in time.
func (n *Node) watchForwards(ctx context.Context) {
	var last time.Time
	for {
		added := n.forwards.added.next()
		if n.forwards.len() == 0 && last.IsZero() {
			select {
			case <-ctx.Done():
				return
			case <-added:
			}
		}
		if !pause(ctx, watchEvery) {
			return
		}
		now, leader := time.Now(), n.leader()
		if overdue := len(n.unapplied(n.forwards.overdue(leader, now))); overdue > 0 {
			last = now
			n.measures.ForwardsOverdue(overdue)
			n.alarms.raise(AlarmForward)
			n.config.Logger.Error("commands forwarded to the leader are not applied here",
				"commands", overdue, "within", forwardedWithin, "leader", leader)
		} else if now.Sub(last) > alarmFor {
			n.alarms.clear(AlarmForward)
			last = time.Time{}
		}
	}
}
