package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/oracle"
)

// arrange puts flags before arguments. The library stops looking for flags at
// the first argument, but people write "genesis verify FILE --json" too. What
// stands after "--" stays an argument, whatever it looks like.
func arrange(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out, rest := args[:1:1], args[1:]
	flags, commands := app.Flags, app.Commands
	for len(rest) > 0 && len(commands) > 0 {
		if isFlag(rest[0]) {
			n := width(flags, rest)
			out, rest = append(out, rest[:n]...), rest[n:]
			continue
		}
		command := named(commands, rest[0])
		if command == nil {
			return append(out, rest...)
		}
		out, rest = append(out, rest[0]), rest[1:]
		flags, commands = command.Flags, command.Subcommands
	}
	var arguments []string
	for len(rest) > 0 {
		if rest[0] == "--" {
			arguments = append(arguments, rest[1:]...)
			break
		}
		if !isFlag(rest[0]) {
			arguments, rest = append(arguments, rest[0]), rest[1:]
			continue
		}
		n := width(flags, rest)
		out, rest = append(out, rest[:n]...), rest[n:]
	}
	if len(arguments) == 0 {
		return out
	}
	return append(append(out, "--"), arguments...)
}

func isFlag(s string) bool { return len(s) > 1 && s[0] == '-' }

// width is how many words a flag takes: two if its value stands apart.
func width(flags []cli.Flag, words []string) int {
	name := strings.TrimLeft(words[0], "-")
	if words[0] == "--" || strings.Contains(name, "=") || len(words) == 1 {
		return 1
	}
	for _, f := range flags {
		if _, isBool := f.(*cli.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return 2
		}
	}
	return 1 // a switch, --help, or one that the library will complain about
}

func named(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

// marketNoun finds the id of a market where a noun should stand: markets are
// rows of the cluster's state, so their ids are no part of this program.
func marketNoun(app *cli.App, args []string) (id string, ok bool) {
	if len(args) == 0 {
		return "", false
	}
	rest := args[1:]
	for len(rest) > 0 && isFlag(rest[0]) {
		rest = rest[min(width(app.Flags, rest), len(rest)):]
	}
	if len(rest) < 2 || named(app.Commands, rest[0]) != nil || !oracle.ValidID(rest[0]) {
		return "", false
	}
	isVerb := named(tradeCommand(rest[0]).Subcommands, rest[1]) != nil
	return rest[0], isVerb || rest[1] == "--help" || rest[1] == "-h"
}
