package cluster

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// A snapshot that only is not due yet is no error to be alarmed by; others are.
func TestRaftLoggerKnowsWaiting(t *testing.T) {
	for _, c := range []struct{ message, why, want string }{
		{"failed to take snapshot", "cannot take snapshot now, wait until the configuration entry at 7 has been applied (have applied 3)", "INFO"},
		{"failed to take snapshot", "failed to start snapshot: " + noSnapshotBefore + "the journal is complete", "INFO"},
		{"failed to take snapshot", "failed to persist snapshot: disk full", "ERROR"},
		{"failed to commit", "cannot take snapshot now", "ERROR"},
	} {
		var out bytes.Buffer
		raftLogger(slog.New(slog.NewTextHandler(&out, nil))).Error(c.message, "error", errors.New(c.why))
		if line := out.String(); !strings.Contains(line, "level="+c.want) || !strings.Contains(line, c.why[:12]) {
			t.Errorf("%s: %s: %s", c.message, c.why, line)
		}
	}
}
