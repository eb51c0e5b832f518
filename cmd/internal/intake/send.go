package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Limits of sending.
const (
	// maxInRequest keeps an answer within reach of a timeout.
	maxInRequest = client.MaxBatch
	// maxRebuilds bounds how often one meter is signed anew without success.
	maxRebuilds = 8
	// lifeOfReading is how long a signed reading may count; it is sent at once.
	lifeOfReading = time.Hour
	// betweenLooks is the pause between two looks whether there is room again.
	betweenLooks = time.Second
)

// Config says how to send.
type Config struct {
	Client *client.Client
	Signer client.Signer
	Market api.Market
	// ClockSync is what all readings say of the meters' clocks, MeterStatus what
	// those say of the meter of which the file says nothing.
	ClockSync, MeterStatus string
	// Timeout bounds how long one request is tried, Room how long to wait for the
	// cluster to close readings before more can be sent.
	Timeout, Room time.Duration
	// Progress is told how many readings are done, and what is being waited for.
	Progress func(done int, waiting string)
}

// sender is one run of sending.
type sender struct {
	Config
	lots   []*lot
	behind time.Duration // how far this machine's clock is behind the cluster's
	result Result
	done   int
	moved  time.Time // when a reading had an outcome last
}

// lot is what is left to send of one meter.
type lot struct {
	meter    string
	left     []Reading
	nonce    uint64 // the next one; 0 while it is not known
	open     uint32 // readings that the cluster has open, as far as is known
	proven   bool   // one was accepted
	rebuilds int    // requests in a row after which it was signed anew
	base     int64  // when the base was measured at the last look
	lost     int    // readings that closed since the base moved
	stopped  error
}

// Send sends what the plans have. meters says what the cluster had of them when
// they were made. An error says that it ended before everything had an outcome.
func Send(ctx context.Context, c Config, plans []Plan, meters map[string]api.Meter) (Result, error) {
	s := &sender{Config: c, moved: time.Now()}
	for _, p := range plans {
		if len(p.Readings) == 0 {
			continue
		}
		m := meters[p.Meter]
		l := &lot{meter: p.Meter, left: p.Readings, open: m.Pending}
		l.base = baseTime(m)
		s.lots = append(s.lots, l)
	}
	err := s.run(ctx)
	for _, l := range s.lots {
		if len(l.left) > 0 {
			s.result.Unsent = append(s.result.Unsent, Unsent{Meter: l.meter, Readings: len(l.left), Reason: reasonOf(l.stopped, err)})
		}
	}
	return s.result, err
}

func baseTime(m api.Meter) int64 {
	if m.Base == nil {
		return -1
	}
	return m.Base.MeasuredAt
}

func (s *sender) run(ctx context.Context) error {
	for ctx.Err() == nil {
		parts := s.compose()
		if len(parts) > 0 {
			if err := s.request(ctx, parts); err != nil {
				return err
			}
			continue
		}
		if len(s.wanting()) == 0 {
			return nil
		}
		if err := s.wait(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// part is what one request has of a lot.
type part struct {
	lot      *lot
	readings []Reading
}

// wanting are the lots that have something left and were not given up.
func (s *sender) wanting() []*lot {
	var list []*lot
	for _, l := range s.lots {
		if len(l.left) > 0 && l.stopped == nil {
			list = append(list, l)
		}
	}
	return list
}

// compose takes about the same of every lot that has room. The first of a lot goes
// alone: what is wrong with it is wrong with all.
func (s *sender) compose() []part {
	wanting := s.wanting()
	share := max(1, maxInRequest/max(1, len(wanting)))
	var parts []part
	total := 0
	for _, l := range wanting {
		n := min(share, len(l.left), int(s.Market.MaxPendingPerMeter)-int(l.open))
		if !l.proven {
			n = min(n, 1)
		}
		if n = min(n, maxInRequest-total); n <= 0 {
			continue
		}
		parts = append(parts, part{lot: l, readings: l.left[:n]})
		total += n
	}
	return parts
}

// request signs and sends the parts and takes what came of them. A reading stays
// in its lot until its outcome is known.
func (s *sender) request(ctx context.Context, parts []part) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var envelopes []envelope.Envelope
	for _, p := range parts {
		if err := s.needNonce(ctx, p.lot); err != nil {
			return err
		}
		for _, r := range p.readings {
			e, err := s.sign(p.lot, r)
			if err != nil {
				return err
			}
			envelopes = append(envelopes, e)
		}
	}
	results := s.Client.SubmitBatch(ctx, envelopes)
	var unsettled error
	for _, p := range parts {
		n := len(p.readings)
		if err := s.takePart(p, envelopes[:n], results[:n]); err != nil {
			unsettled = err
		}
		envelopes, results = envelopes[n:], results[n:]
	}
	s.Progress(s.done, "")
	return unsettled
}

// takePart takes the outcomes of a part and leaves in the lot what has none.
func (s *sender) takePart(p part, envelopes []envelope.Envelope, results []client.Result) (unsettled error) {
	var left []Reading
	again := false
	for i, r := range p.readings {
		f, err := s.take(p.lot, r, envelopes[i], results[i])
		if err != nil {
			unsettled = err
		}
		again = again || f == anew
		if f != settled {
			left = append(left, r)
		}
	}
	if again {
		p.lot.rebuilds++
	} else {
		p.lot.rebuilds = 0
	}
	p.lot.left = append(left, p.lot.left[len(p.readings):]...)
	return unsettled
}

// needNonce asks for the next nonce of a lot's lane if it is not known.
func (s *sender) needNonce(ctx context.Context, l *lot) error {
	if l.nonce > 0 {
		return nil
	}
	next, err := s.Client.NextNonce(ctx, s.Signer.KeyID(), lane(l.meter))
	if err != nil {
		return fmt.Errorf("asking for the next nonce of lane %s: %w", lane(l.meter), err)
	}
	l.nonce = next
	return nil
}

func lane(meter string) string { return "m/" + meter }

func (s *sender) sign(l *lot, r Reading) (envelope.Envelope, error) {
	status := r.Quality
	if status == "" {
		status = s.MeterStatus
	}
	e, err := s.Signer.Build(&fsm.SubmitReading{
		Market: s.Market.Market, Meter: l.meter, Register: r.Register, MeasuredAt: r.MeasuredAt,
		Quality: fsm.Quality{ClockSync: s.ClockSync, MeterStatus: status},
	}, lane(l.meter), l.nonce, time.Now().Add(s.behind), lifeOfReading)
	if err != nil {
		return e, fmt.Errorf("signing a reading of meter %s: %w", l.meter, err)
	}
	l.nonce++
	return e, nil
}

// errNoRoom ends what waited too long.
var errNoRoom = errors.New("the cluster takes no more readings until open ones are closed, and closes none")

// wait looks again and again whether a lot that wants to go on has room. It gives
// up when nothing was brought in for as long as Room.
func (s *sender) wait(ctx context.Context) error {
	ticker := time.NewTicker(betweenLooks)
	defer ticker.Stop()
	for {
		s.Progress(s.done, "waits for readings to be closed")
		// The pause comes first: a market that is full as a whole does not show in
		// what a meter has open, and must not be asked without end.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		if time.Since(s.moved) > s.Room {
			return errNoRoom
		}
		if err := s.look(ctx); err != nil {
			return err
		}
		if len(s.compose()) > 0 || len(s.wanting()) == 0 {
			return nil
		}
	}
}

// look asks how many readings each lot has open, and notices when they close
// without moving the base.
func (s *sender) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var ids []string
	for _, l := range s.wanting() {
		ids = append(ids, l.meter)
	}
	meters, err := Meters(ctx, s.Client, s.Market.Market, ids)
	if err != nil {
		return err
	}
	for _, l := range s.wanting() {
		m := meters[l.meter]
		if base := baseTime(m); base != l.base {
			l.base, l.lost = base, 0
		} else if l.open > m.Pending {
			l.lost += int(l.open - m.Pending)
		}
		l.open = m.Pending
		if l.lost >= int(s.Market.MaxPendingPerMeter) {
			l.stopped = fmt.Errorf("the last %d readings of the meter closed without being settled: they were rejected or found no quorum", l.lost)
		}
	}
	return nil
}
