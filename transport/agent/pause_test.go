package agent

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/transport/client"
)

// An oracle that is refused again and again does not fill the committee's log.
func TestRefusalsAreWaitedOut(t *testing.T) {
	refused := fmt.Errorf("sending: %w", &client.Refused{Code: "Unauthorized", Logged: true})
	attempts, wait := 0, time.Duration(0)
	for slept := time.Duration(0); slept < time.Hour; slept += wait {
		wait = pauseAfter(refused, wait)
		attempts++
	}
	if attempts > 70 || wait != longestPause {
		t.Errorf("%d attempts in an hour, the last after %s", attempts, wait)
	}
	if got := pauseAfter(errors.New("a node is down"), wait); got != pauseOnError {
		t.Errorf("a node that is down is waited for %s", got)
	}
	if got := pauseAfter(nil, wait); got != 0 {
		t.Errorf("what goes well is followed by %s", got)
	}
}
