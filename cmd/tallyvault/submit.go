package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func waitFinalFlag() cli.Flag {
	return &cli.BoolFlag{Name: "wait-final", Usage: "wait until a checkpoint cosigned by the committee covers the outcome"}
}

func submitCommand() *cli.Command {
	return &cli.Command{
		Name:      "submit",
		Usage:     "send signed commands and say what became of them",
		ArgsUsage: "FILE...",
		Description: `Sends each file to one node after another until the outcome is known. Sending a
command again is always safe: it takes effect once, and a second time it is
answered with the same outcome. After exit status 3 the outcome is not known:
send the same file again.

   tallyvault submit deposit-2.json --genesis genesis.json
   tallyvault submit a.json b.json --api https://a.example:8443 --json --wait-final`,
		Flags:  append(clusterFlags(), jsonFlag(), waitFinalFlag()),
		Action: submit,
	}
}

func submit(c *cli.Context) error {
	if err := arguments(c, 1, -1); err != nil {
		return err
	}
	var list []envelope.Envelope
	for _, path := range c.Args().Slice() {
		e, err := readCommand(c, path)
		if err != nil {
			return err
		}
		if len(e.Signatures) == 0 {
			return advise(fmt.Errorf("%s is not signed", path), "Sign it first: tallyvault sign %s --key FILE.", path)
		}
		list = append(list, e)
	}
	g, err := optionalGenesis(c)
	if err != nil {
		return err
	}
	for i, e := range list {
		if err := isFor(e, g); err != nil {
			return fmt.Errorf("%s: %w", c.Args().Get(i), err)
		}
	}
	ctx, node, done, err := reach(c)
	if err != nil {
		return err
	}
	defer done()
	worst := told(exitDone)
	for _, e := range list {
		_, status, err := send(ctx, c, node, e)
		if err != nil {
			return err
		}
		worst = max(worst, status)
	}
	if worst != exitDone {
		return worst
	}
	return nil
}

// sent is what a program learns of one submitted command.
type sent struct {
	api.Outcome
	// Logged is false for what was refused at a node's door: nothing was consumed.
	Logged  bool   `json:"logged"`
	Unknown bool   `json:"unknown,omitempty"`
	Error   string `json:"error,omitempty"`
}

// send submits one command and prints its outcome. An error says that nothing
// more should be sent; everything else is in the status.
func send(ctx context.Context, c *cli.Context, node *client.Client, e envelope.Envelope) (api.Outcome, told, error) {
	outcome, err := node.Submit(ctx, e)
	if c.Bool("wait-final") && outcome.ID != "" && !outcome.Final {
		awaited, waiting := node.Await(ctx, e.Identity())
		if awaited.ID == "" {
			return outcome, exitUnknown, waiting
		}
		outcome = awaited
	}
	s := sent{Outcome: outcome, Logged: outcome.ID != ""}
	s.ID = e.Identity().String()
	status := told(exitDone)
	switch refused, ok := errors.AsType[*client.Refused](err); {
	case ok && !s.Logged:
		s.Command, s.Code, s.Cause, s.Recovery, s.Fields = commandName(e), refused.Code, refused.Cause, refused.Recovery, refused.Fields
		status = exitRefused
	case ok:
		status = exitRefused
	case errors.Is(err, client.ErrUnknown):
		s.Unknown, s.Error, status = true, err.Error(), exitUnknown
	case err != nil:
		return outcome, exitRefused, fmt.Errorf("sending command %s: %w", e.Identity(), err)
	}
	return outcome, status, say(c, s)
}

// say prints what became of a command: JSON one line each, or words.
func say(c *cli.Context, s sent) error {
	if c.Bool("json") {
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		return printf(c, "%s\n", line)
	}
	switch {
	case s.Unknown:
		return printf(c, "the outcome of %s is not known: %s\n  Send the same file again; it takes effect at most once.\n", s.ID, s.Error)
	case !s.Logged:
		return printf(c, "%s  at the door: nothing was logged, no nonce is used\n", words.Refusal(s.Code, s.Cause, s.Recovery, s.Fields))
	}
	return printf(c, "%s", words.Outcome(s.Outcome))
}

func commandName(e envelope.Envelope) string {
	command, err := words.Parse(e)
	if err != nil {
		return "unknown" // send is given only what was parsed before
	}
	return command.Name()
}
