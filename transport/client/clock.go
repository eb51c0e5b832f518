package client

import (
	"strconv"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// freshWithin is how old a command may be, by this client's clock, for its refusal to
// tell the time: the answer to a resend tells when it was refused first.
const freshWithin = time.Minute

// Now is the time by which the client signs tokens: its own clock's, corrected by
// what nodes said of the time when they refused something for its sake. Commands
// that are signed by it are in time, too.
func (c *Client) Now() time.Time {
	return c.config.Clock().Add(time.Duration(c.ahead.Load()))
}

// hear takes the time from a refusal that tells it, and reports whether that moved
// the clock by more than it takes to answer.
func (c *Client) hear(p *api.Problem) bool {
	if p.Code != string(fsm.TimestampSkew) && p.Code != string(fsm.Expired) {
		return false
	}
	now, err := strconv.ParseInt(p.Fields["now"], 10, 64)
	if err != nil || now <= 0 {
		return false
	}
	before := c.Now()
	if p.Logged {
		issued, err := strconv.ParseInt(p.Fields["issued_at"], 10, 64)
		if err != nil || before.Sub(time.UnixMilli(issued)).Abs() > freshWithin {
			return false
		}
	}
	told := time.UnixMilli(now)
	c.ahead.Store(int64(told.Sub(c.config.Clock())))
	if told.Sub(before).Abs() < time.Second {
		return false
	}
	c.mu.Lock()
	c.until = time.Time{} // the next token is made by the new time
	c.mu.Unlock()
	return true
}
