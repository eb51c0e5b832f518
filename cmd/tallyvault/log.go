package main

import (
	"log/slog"

	"github.com/urfave/cli/v2"
)

// logFlags say how a long-running command reports what it does.
func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", Value: "info", Usage: "debug, info, warn or error"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "text or json"},
	}
}

// logger writes to standard error, which is for people and their collectors;
// results stay on standard output.
func logger(c *cli.Context) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return nil, usage("--log-level %q: want debug, info, warn or error", c.String("log-level"))
	}
	options := &slog.HandlerOptions{Level: level}
	switch c.String("log-format") {
	case "text":
		return slog.New(slog.NewTextHandler(c.App.ErrWriter, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.App.ErrWriter, options)), nil
	}
	return nil, usage("--log-format %q: want text or json", c.String("log-format"))
}
