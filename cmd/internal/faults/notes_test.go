package faults

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/client"
)

// act is one reading that was sent, and what was answered.
type act struct {
	meter        string
	nonce        uint64
	id           envelope.Identity
	began, ended time.Time
	accepted     bool
	entry, leaf  uint64
	reading      string // its number
	why          error  // of what was not accepted
}

// notes are the answers, in memory and in a file outside the cluster, which is on
// disk before an answer counts.
type notes struct {
	mu   sync.Mutex
	file *os.File
	acts []act
}

func openNotes(path string) (*notes, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return &notes{file: f}, err
}

// take notes what became of some readings. A load has no reason to be refused
// anything, and everything is decided in the end.
func (n *notes) take(acts []act, results []client.Result) error {
	now := time.Now()
	var text strings.Builder
	var wrong error
	for i, r := range results {
		a := &acts[i]
		a.ended, a.why = now, r.Err
		if r.Err != nil {
			wrong = errors.Join(wrong, fmt.Errorf("reading %d of meter %s, sent %v ago: %w", a.nonce, a.meter, now.Sub(a.began), r.Err))
		} else {
			a.accepted, a.entry, a.leaf, a.reading = true, uint64(r.Outcome.Entry), uint64(r.Outcome.Leaf), r.Outcome.Result["number"]
		}
		fmt.Fprintf(&text, "%s %s %d %t %d %d %s\n", a.id, a.meter, a.nonce, a.accepted, a.entry, a.leaf, a.reading)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.acts = append(n.acts, acts...)
	if _, err := n.file.WriteString(text.String()); err != nil {
		return err
	}
	if err := n.file.Sync(); err != nil {
		return err
	}
	return wrong
}

func (n *notes) close() error { return n.file.Close() }

// first is when the first reading was answered as accepted that was sent after a
// moment; false if none has been.
func (n *notes) first(after time.Time) (time.Time, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var earliest time.Time
	for i := len(n.acts) - 1; i >= 0; i-- {
		a := n.acts[i]
		if a.ended.Before(after) {
			break
		}
		if a.accepted && a.began.After(after) && (earliest.IsZero() || a.ended.Before(earliest)) {
			earliest = a.ended
		}
	}
	return earliest, !earliest.IsZero()
}

// seconds counts what was accepted in each second.
func (n *notes) seconds() (begin time.Time, counts []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.acts) == 0 {
		return time.Time{}, nil
	}
	begin = n.acts[0].ended.Truncate(time.Second)
	for _, a := range n.acts {
		if !a.accepted {
			continue
		}
		at := int(a.ended.Sub(begin) / time.Second)
		for len(counts) <= at {
			counts = append(counts, 0)
		}
		counts[at]++
	}
	return begin, counts
}

// availability draws the accepted readings of each second and names the longest
// run of seconds without any.
func (n *notes) availability() string {
	_, counts := n.seconds()
	most, longest, idle := 1, 0, 0
	for _, c := range counts {
		most = max(most, c)
		if idle++; c > 0 {
			idle = 0
		}
		longest = max(longest, idle)
	}
	const marks = " .:-=+*#%@"
	var b strings.Builder
	w := bufio.NewWriter(&b)
	for i, c := range counts {
		if i > 0 && i%60 == 0 {
			_, _ = w.WriteString("|\n|")
		}
		mark := 0
		if c > 0 {
			mark = 1 + c*(len(marks)-2)/most
		}
		_ = w.WriteByte(marks[mark])
	}
	_ = w.Flush()
	return fmt.Sprintf("accepted in each second, at most %d; longest silence %d s\n|%s|", most, longest, b.String())
}
