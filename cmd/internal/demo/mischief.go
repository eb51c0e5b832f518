package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/client"
)

// attempt is one way to cheat and the refusal that it deserves.
type attempt struct {
	what string
	want fsm.Code
	make func() (envelope.Envelope, error)
}

// The mischief-maker uses numbered lanes, so that the honest lanes of the
// meters stay undisturbed.
const mischiefLane = "9"

// mischief tries to cheat and reports what came of it.
func (c *committee) mischief(ctx context.Context, api *client.Client, meters []*meter, seen *counts, say func(string, ...any)) ([]Mischief, error) {
	// The cheat owns the last meter, and somebody else the first.
	own, foreign := meters[len(meters)-1], meters[0]
	var done []Mischief
	for _, a := range c.attempts(own, foreign) {
		e, err := a.make()
		if err != nil {
			return nil, err
		}
		_, err = api.Submit(ctx, e)
		if fatal := seen.take(err); fatal != nil {
			return nil, fmt.Errorf("%s: %w", a.what, fatal)
		}
		got := Mischief{Attempt: a.what, Want: string(a.want), Got: "accepted"}
		var refusal *client.Refused
		if errors.As(err, &refusal) {
			got.Got = refusal.Code
			say("refused: %s: %s", a.what, refusal.Code)
		}
		done = append(done, got)
	}
	return done, nil
}

func (c *committee) attempts(own, foreign *meter) []attempt {
	other := gridCoop
	if foreign.provider == gridCoop {
		other = sunCoop
	}
	return []attempt{
		{"a reading with a forged signature", fsm.SignatureInvalid, func() (envelope.Envelope, error) {
			e, err := c.falseReading(own, own.provider, 1, time.Now())
			if err == nil {
				e.Signatures[0].Sig[7] ^= 0x40
			}
			return e, err
		}},
		{"another reading under a nonce that was used before", fsm.NonceReplay, func() (envelope.Envelope, error) {
			reading := &fsm.SubmitReading{
				Market: market, Meter: own.id, Register: own.points[0].Register + 1, MeasuredAt: time.Now().UnixMilli(),
				Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
			}
			return c.signer(own.provider).Build(reading, "m/"+own.id, 1, time.Now(), time.Hour)
		}},
		{"a reading of somebody else's meter", fsm.MeterMismatch, func() (envelope.Envelope, error) {
			return c.falseReading(foreign, other, 1, time.Now())
		}},
		{"a reading signed by a clock that is an hour behind", fsm.TimestampSkew, func() (envelope.Envelope, error) {
			return c.falseReading(own, own.provider, 2, time.Now().Add(-time.Hour+time.Minute))
		}},
	}
}

// falseReading is a reading on the mischief-maker's lane.
func (c *committee) falseReading(m *meter, signer string, nonce uint64, now time.Time) (envelope.Envelope, error) {
	reading := &fsm.SubmitReading{
		Market: market, Meter: m.id, Register: m.points[0].Register + 1, MeasuredAt: now.UnixMilli(),
		Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}
	return c.signer(signer).Build(reading, mischiefLane, nonce, now, time.Hour)
}
