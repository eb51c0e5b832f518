package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Exit statuses.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
	exitUnknown = 3
)

// usageError is a mistake in the command line or in a setting.
type usageError struct {
	message string
	// command is the full name of the command whose help would help.
	command string
}

func (e *usageError) Error() string { return e.message }

// usage makes an error with the exit status 2.
func usage(format string, args ...any) error {
	return &usageError{message: fmt.Sprintf(format, args...)}
}

// advised is an error with what to do next.
type advised struct {
	err  error
	next string
}

func (e *advised) Error() string { return e.err.Error() }
func (e *advised) Unwrap() error { return e.err }

func advise(err error, format string, args ...any) error {
	return &advised{err: err, next: fmt.Sprintf(format, args...)}
}

// told is an exit status for what the output has explained already.
type told int

func (t told) Error() string { return fmt.Sprintf("exit status %d", int(t)) }

// report says an error to a person and gives the exit status.
func report(err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	if status, ok := errors.AsType[told](err); ok {
		return int(status)
	}
	// There is nobody to tell that telling failed.
	say := func(format string, args ...any) {
		_, _ = io.WriteString(stderr, words.Shown(fmt.Sprintf(format, args...)))
	}
	if wrong, ok := errors.AsType[*usageError](err); ok {
		say("tallyvault: %s\n", err)
		if wrong.command != "" {
			say("  See %s --help.\n", wrong.command)
		}
		return exitUsage
	}
	status := exitRefused
	switch refused, ok := errors.AsType[*client.Refused](err); {
	case ok:
		say("%s", words.Refusal(refused.Code, refused.Cause, refused.Recovery, refused.Fields))
	case errors.Is(err, client.ErrUnknown):
		say("tallyvault: %s\n", err)
		status = exitUnknown
	case errors.Is(err, context.Canceled):
		say("tallyvault: interrupted\n")
	default:
		say("tallyvault: %s\n", err)
	}
	if advice, ok := errors.AsType[*advised](err); ok {
		say("  %s\n", advice.next)
	}
	return status
}
