package cluster

import (
	"context"
	"fmt"
	"io"
	"log/slog"

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
