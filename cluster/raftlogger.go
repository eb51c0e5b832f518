package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// raftLogger gives the Raft library a logger that writes to ours.
func raftLogger(log *slog.Logger) hclog.Logger {
	level := hclog.Off
	for _, l := range []struct {
		ours slog.Level
		its  hclog.Level
	}{{slog.LevelError, hclog.Error}, {slog.LevelWarn, hclog.Warn}, {slog.LevelInfo, hclog.Info}, {slog.LevelDebug, hclog.Debug}} {
		if log.Enabled(context.Background(), l.ours) {
			level = l.its
		}
	}
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: level, Output: io.Discard})
	logger.RegisterSink(raftSink{log})
	return logger
}

// raftSink is what the library's lines arrive at.
type raftSink struct{ log *slog.Logger }

// Accept implements hclog.SinkAdapter.
func (s raftSink) Accept(name string, level hclog.Level, message string, args ...any) {
	ours := slog.LevelDebug
	switch level {
	case hclog.Error:
		ours = slog.LevelError
		if waitsForSnapshot(message, args) {
			ours = slog.LevelInfo
		}
	case hclog.Warn:
		ours = slog.LevelWarn
	case hclog.Info:
		ours = slog.LevelInfo
	default: // finer than we look at
	}
	line := []any{"part", name}
	for _, arg := range args {
		// The library hands over some values unformatted, for its own loggers.
		if f, ok := arg.(hclog.Format); ok && len(f) > 0 {
			arg = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		line = append(line, arg)
	}
	s.log.Log(context.Background(), ours, message, line...)
}

// waitsForSnapshot reports whether the library complains of a snapshot that only is not
// due yet: while a log is replayed, or before a state can be proven. It tries again.
func waitsForSnapshot(message string, args []any) bool {
	if message != "failed to take snapshot" || len(args) != 2 {
		return false
	}
	why := fmt.Sprint(args[1])
	return strings.HasPrefix(why, "cannot take snapshot now") || strings.HasPrefix(why, "failed to start snapshot: "+noSnapshotBefore)
}
