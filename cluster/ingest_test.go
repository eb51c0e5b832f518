package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
)

// fakeCommand is a command whose frame has about that many bytes. Its signatures
// are of nobody.
func fakeCommand(t testing.TB, n int, size int) *fsm.Command {
	t.Helper()
	payload := bytes.Repeat([]byte{'x'}, size)
	copy(payload, fmt.Sprintf("%08d", n))
	frame := append([]byte{0, byte(fsm.TypeSubmitReading), 1}, make([]byte, 80)...)
	c, err := fsm.ParseFrame(append(frame, payload...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Packing keeps the order and every limit of an entry, and loses nothing.
func TestQueuePacks(t *testing.T) {
	for _, tc := range []struct{ commands, size, entries int }{
		{1, 100, 1}, {fsm.MaxEntryCommands, 100, 1}, {fsm.MaxEntryCommands + 1, 100, 2}, {12, 59_000, 3},
	} {
		q := newQueue()
		for i := range tc.commands {
			if err := q.put(queued{command: fakeCommand(t, i, tc.size)}); err != nil {
				t.Fatalf("command %d of %d bytes: %v", i, tc.size, err)
			}
		}
		next, entries := 0, 0
		for q.len() > 0 {
			<-q.wake
			e := &fsm.Entry{Number: 1}
			for _, item := range q.take() {
				if want := fmt.Sprintf("%08d", next); !bytes.HasPrefix(item.command.Payload, []byte(want)) {
					t.Fatalf("command %s comes in place of %s", item.command.Payload[:8], want)
				}
				next++
				e.Commands = append(e.Commands, item.command)
			}
			if n := len(e.Encode()); n+headerReserve > fsm.MaxEntryBytes || len(e.Commands) > fsm.MaxEntryCommands {
				t.Errorf("an entry of %d commands and %d bytes", len(e.Commands), n)
			}
			entries++
		}
		if next != tc.commands || entries != tc.entries || q.bytes != 0 {
			t.Errorf("%d commands of %d bytes: %d came in %d entries, want %d; %d bytes left", tc.commands, tc.size, next, entries, tc.entries, q.bytes)
		}
	}
}

// The work that commands trigger is limited too.
func TestQueueLimitsWork(t *testing.T) {
	c := newCommittee(t)
	heavy := c.command(fsm.Attest{
		Header: fsm.Header{Cluster: c.genesis.Cluster, Era: c.era(), Lane: "0", Nonce: 1, IssuedAt: 1, ExpiresAt: 2},
		Market: "energy", Ranges: []fsm.AttestedRange{{From: 1, To: 1_500}},
	}, "attest", "oracle-a")
	q := newQueue()
	for range 5 {
		if err := q.put(queued{command: heavy}); err != nil {
			t.Fatal(err)
		}
	}
	for q.len() > 0 {
		work := 0
		for _, item := range q.take() {
			work += item.command.Work()
		}
		if work == 0 || work > fsm.MaxEntryWork {
			t.Errorf("an entry of %d work units", work)
		}
	}
}

// A full queue says so, by count and by bytes, and a closed one gives back what it
// held.
func TestQueueLimits(t *testing.T) {
	small, big := fakeCommand(t, 1, 20), fakeCommand(t, 2, 59_000)
	for _, tc := range []struct {
		cmd  *fsm.Command
		want int
	}{{small, maxQueued}, {big, maxQueuedBytes / frameBytes(big)}} {
		q, n := newQueue(), 0
		var err error
		for err == nil {
			if err = q.put(queued{command: tc.cmd}); err == nil {
				n++
			}
		}
		if !isOverloaded(err) {
			t.Errorf("a full queue says %v", err)
		}
		if n != tc.want {
			t.Errorf("commands of %d bytes: %d fit, want %d", frameBytes(tc.cmd), n, tc.want)
		}
		if got := q.take(); len(got) == 0 || q.put(queued{command: small}) != nil {
			t.Error("taking makes no room")
		}
		left := q.close()
		if err := q.put(queued{command: small}); len(left) == 0 || err == nil || isOverloaded(err) {
			t.Errorf("a closed queue says %v", err)
		}
	}
	for _, c := range []*fsm.Command{small, big} {
		e := &fsm.Entry{Commands: []*fsm.Command{c}}
		empty := len((&fsm.Entry{}).Encode())
		if got := len(e.Encode()) - empty; got != frameBytes(c) {
			t.Errorf("a frame takes %d bytes in an entry, frameBytes says %d", got, frameBytes(c))
		}
	}
}

func TestFlights(t *testing.T) {
	f := newFlights()
	id := fsm.Identity{1}
	first, begun := f.join(id)
	second, alone := f.join(id)
	if !begun || alone || first != second || f.len() != 1 || !f.waits(id) {
		t.Fatal("two callers of one command have two flights")
	}
	none := f.none.next()
	f.land(id, Answer{ID: id, Outcome: &fsm.Outcome{ID: id}})
	<-first.done
	<-none
	if first.answer.Outcome == nil || f.len() != 0 {
		t.Error("the flight has not landed")
	}
	// One that was aborted late does not touch the next flight of the same command.
	again, _ := f.join(id)
	f.abort(first, errors.New("late"))
	select {
	case <-again.done:
		t.Error("the wrong flight was aborted")
	default:
	}
	f.abort(again, unavailable("gone"))
	<-again.done
	if again.answer.Err == nil {
		t.Error("an aborted flight has no error")
	}
	f.land(id, Answer{})
}

// Every answer survives the wire.
func TestAnswersOnTheWire(t *testing.T) {
	var commands []*fsm.Command
	for i := range 4 {
		commands = append(commands, fakeCommand(t, i, 20))
	}
	id := func(i int) fsm.Identity { return commands[i].Identity() }
	answers := []Answer{
		{ID: id(0), Outcome: &fsm.Outcome{ID: id(0), Type: fsm.TypeDeposit, Ordinal: 7, Entry: 3, Leaf: 9, Receipts: []uint64{11}}},
		{ID: id(1), Refusal: &fsm.Refusal{Code: fsm.Unauthorized, Fields: []fsm.Field{{Name: "required", Value: "2"}}}},
		{ID: id(2), Err: &Unavailable{Reason: reasonOverloaded, RetryAfter: overloadedRetry}},
		{ID: id(3), Err: &UnknownOutcome{ID: id(3)}},
	}
	var wire bytes.Buffer
	if err := writeAnswers(&wire, answers); err != nil {
		t.Fatal(err)
	}
	encoded := wire.Bytes()
	got, err := readAnswers(bytes.NewReader(encoded), commands)
	if err != nil {
		t.Fatal(err)
	}
	for i := range answers {
		if fmt.Sprintf("%+v %+v", got[i], got[i].Refusal) != fmt.Sprintf("%+v %+v", answers[i], answers[i].Refusal) && got[i].Outcome == nil {
			t.Errorf("answer %d: %+v, want %+v", i, got[i], answers[i])
		}
	}
	if !bytes.Equal(got[0].Outcome.Record(), answers[0].Outcome.Record()) || !isOverloaded(got[2].Err) {
		t.Errorf("outcome %+v, error %v", got[0].Outcome, got[2].Err)
	}
	for cut := range encoded {
		if _, err := readAnswers(bytes.NewReader(encoded[:cut]), commands); err == nil {
			t.Fatalf("answers cut at byte %d are read", cut)
		}
	}
	// An outcome of another command than the one asked about is not believed.
	if _, err := readAnswers(bytes.NewReader(encoded), []*fsm.Command{commands[1]}); err == nil {
		t.Error("another command's outcome is taken")
	}
}

func FuzzAnswers(f *testing.F) {
	cmd := fakeCommand(f, 1, 20)
	var wire bytes.Buffer
	_ = writeAnswers(&wire, []Answer{{ID: cmd.Identity(), Outcome: &fsm.Outcome{ID: cmd.Identity()}}})
	f.Add(wire.Bytes())
	f.Add([]byte{answerUnavailable, 0, 0, 0, 4, 0, 0, 0, 1})
	f.Add([]byte{answerRefusal, 0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, data []byte) {
		answers, err := readAnswers(bytes.NewReader(data), []*fsm.Command{cmd})
		if err != nil {
			return
		}
		a := answers[0]
		set := 0
		for _, is := range []bool{a.Outcome != nil, a.Refusal != nil, a.Err != nil} {
			if is {
				set++
			}
		}
		if set != 1 || a.ID != cmd.Identity() {
			t.Errorf("answer %+v", a)
		}
	})
}

func FuzzCommands(f *testing.F) {
	var wire bytes.Buffer
	_ = writeRecord(&wire, fakeCommand(f, 1, 20).Frame())
	f.Add(wire.Bytes())
	f.Add([]byte{0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		commands, err := readCommands(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		var back bytes.Buffer
		for _, c := range commands {
			_ = writeRecord(&back, c.Frame())
		}
		if !bytes.Equal(back.Bytes(), data) {
			t.Error("commands do not lead back to their bytes")
		}
	})
}

func TestReadCommandsLimit(t *testing.T) {
	var wire bytes.Buffer
	frame := fakeCommand(t, 1, 20).Frame()
	for range maxSubmit + 1 {
		_ = writeRecord(&wire, frame)
	}
	data := wire.Bytes()
	if _, err := readCommands(bytes.NewReader(data)); err == nil {
		t.Error("too many commands are read")
	}
	if got, err := readCommands(bytes.NewReader(data[:len(data)-len(frame)-4])); err != nil || len(got) != maxSubmit {
		t.Errorf("%d commands, %v", len(got), err)
	}
	if _, err := readRecord(bytes.NewReader([]byte{0, 1, 0, 0})); errors.Is(err, io.EOF) || err == nil {
		t.Errorf("a record beyond the limit: %v", err)
	}
}

// Forwarded requests are cut into calls that the leader takes.
func TestSplitCalls(t *testing.T) {
	for _, tc := range []struct{ commands, size int }{{1, 20}, {maxSubmit, 20}, {2*maxSubmit + 1, 20}, {400, 59_000}} {
		var commands []*fsm.Command
		for i := range tc.commands {
			commands = append(commands, fakeCommand(t, i, tc.size))
		}
		n := 0
		for _, part := range splitCalls(commands) {
			bytes := 0
			for _, c := range part {
				if c != commands[n] {
					t.Fatal("the order changes")
				}
				bytes += frameBytes(c)
				n++
			}
			if len(part) == 0 || len(part) > maxSubmit || bytes > maxSubmitBytes {
				t.Errorf("a call of %d commands and %d bytes", len(part), bytes)
			}
		}
		if n != tc.commands {
			t.Errorf("%d of %d commands are sent", n, tc.commands)
		}
	}
}

// A living follower that trails holds the leader back; a dead or a stuck one does
// not.
func TestFollowerLoad(t *testing.T) {
	now := time.Now()
	const proposed = 100_000
	for _, tc := range []struct {
		name          string
		entry         uint64
		heard, before time.Duration
		want          bool
	}{
		{"up to date", proposed, 0, 0, false},
		{"at the bound", proposed - maxBehind, 0, 0, false},
		{"behind and moving", proposed - maxBehind - 1, 0, time.Second, true},
		{"behind and silent", 5, 2 * freshStatus, 2 * freshStatus, false},
		{"behind and stuck", 5, 0, 2 * stuckAfter, false},
		{"further than there are numbers", math.MaxUint64, 0, 0, false},
	} {
		f := newFollowerLoad(defaultRaftTimeout, func(peer string) bool { return peer != "joiner" })
		f.hear("peer", Status{Entry: tc.entry}, now.Add(-tc.before))
		f.hear("peer", Status{Entry: tc.entry}, now.Add(-tc.heard))
		if got := f.behind(proposed, now); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	f := newFollowerLoad(defaultRaftTimeout, func(peer string) bool { return peer != "joiner" })
	if f.behind(proposed, now) {
		t.Error("a leader that has heard nobody waits")
	}
	for _, tc := range []struct {
		raftTimeout, heard time.Duration
		alive, silent      bool
	}{
		{defaultRaftTimeout, 0, true, false},
		{defaultRaftTimeout, freshStatus, false, false},
		{defaultRaftTimeout, silentAfter + time.Second, false, true},
		{10 * defaultRaftTimeout, silentAfter + time.Second, true, false},
		{10 * defaultRaftTimeout, 11 * silentAfter, false, true},
	} {
		f := newFollowerLoad(tc.raftTimeout, func(string) bool { return true })
		if f.silent("peer") || f.alive("peer") {
			t.Error("one that was never heard is silent, or alive")
		}
		f.hear("peer", Status{}, now.Add(-tc.heard))
		if f.silent("peer") != tc.silent || f.alive("peer") != tc.alive {
			t.Errorf("%s after it was heard, at a timeout of %s: silent %v, alive %v", tc.heard, tc.raftTimeout, f.silent("peer"), f.alive("peer"))
		}
	}
	f.hear("joiner", Status{Entry: 1}, now)
	if f.behind(proposed, now) {
		t.Error("a leader waits for a node that joins")
	}
	f.hear("a", Status{Entry: 4}, now)
	list := f.list([]string{"a", "b"})
	if len(list) != 2 || !list[0].Seen || list[0].Status.Entry != 4 || list[1].Seen {
		t.Errorf("list %+v", list)
	}
}

// A peer that trails for ever, or says so, uses the leader's patience up. One that is
// only slow does not, and neither does one that others wait for.
func TestPatienceWithFollowers(t *testing.T) {
	const proposed = 100_000
	for _, tc := range []struct {
		name string
		near int // of so many looks it is near at one
		held bool
	}{
		{"it always trails", math.MaxInt, false},
		{"it is near now and then", 40, false},
		{"it trails half of the time", 2, true},
	} {
		f := newFollowerLoad(defaultRaftTimeout, func(string) bool { return true })
		now, held := time.Now(), 0
		const looks = 4_000
		for i := range looks {
			entry := uint64(5 + i)
			if i%tc.near == tc.near-1 {
				entry = proposed
			}
			f.hear("peer", Status{Entry: entry}, now)
			if f.behind(proposed, now) && i > looks/2 {
				held++
			}
			now = now.Add(statusEvery)
		}
		if (held > looks/10) != tc.held {
			t.Errorf("%s: after a long time it holds the leader up at %d of %d looks", tc.name, held, looks/2)
		}
	}
}

// Commands that a leader withholds are noticed; those of a leader who is gone are
// not held against the next one.
func TestForwards(t *testing.T) {
	var f forwards
	now := time.Now()
	a, b, c := fakeCommand(t, 1, 20), fakeCommand(t, 2, 20), fakeCommand(t, 3, 20)
	f.add([]*fsm.Command{a, b, c}, "old", now)
	f.add([]*fsm.Command{c}, "new", now)
	f.done(a.Identity())
	if got := f.overdue("old", now.Add(forwardedWithin)); len(got) != 0 {
		t.Errorf("%v overdue in time", got)
	}
	late := now.Add(forwardedWithin + 1)
	f.add([]*fsm.Command{b}, "old", late) // a retry does not start anew
	if got := f.overdue("new", late); !slices.Equal(got, []fsm.Identity{c.Identity()}) {
		t.Errorf("%v overdue, want that of the new leader", got)
	}
	if len(f.sent) != 0 {
		t.Errorf("%d are still watched", len(f.sent))
	}
	for i := range maxForwarded + 10 {
		f.add([]*fsm.Command{fakeCommand(t, i, 8)}, "old", now)
	}
	if len(f.sent) > maxForwarded {
		t.Errorf("%d are watched, more than %d", len(f.sent), maxForwarded)
	}
}

func TestCutPace(t *testing.T) {
	var p cutPace
	if p.left() != 0 || !p.take() {
		t.Error("the first cut has to wait")
	}
	if left := p.left(); p.take() || left <= 0 || left > cutEvery {
		t.Errorf("the second cut waits %s", left)
	}
	p.last = p.last.Add(-cutEvery)
	if p.left() != 0 || !p.take() {
		t.Error("a cut after a second has to wait")
	}
}
