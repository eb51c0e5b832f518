package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/oracle"
)

// Each script hands the words typed so far, the last one unfinished, to "tallyvault
// complete" and offers what that prints; files where it prints nothing. The
// library's own scripts would evaluate the line that is being typed.
var completionScripts = map[string]string{
	"bash": `_tallyvault() {
	local IFS=$'\n'
	COMPREPLY=($("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o bashdefault -o default -F _tallyvault tallyvault
`,
	"zsh": `#compdef tallyvault
_tallyvault() {
	local -a found
	found=("${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _tallyvault tallyvault
`,
	"fish": `complete -c tallyvault -a '(tallyvault complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
`,
}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print what makes a shell complete nouns, verbs and flags",
		ArgsUsage: "bash|zsh|fish",
		Description: `   tallyvault completion bash > /etc/bash_completion.d/tallyvault
   tallyvault completion zsh > /usr/share/zsh/site-functions/_tallyvault
   tallyvault completion fish > ~/.config/fish/completions/tallyvault.fish

or, for this shell alone:

   source <(tallyvault completion bash)`,
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, 1); err != nil {
				return err
			}
			script, ok := completionScripts[c.Args().First()]
			if !ok {
				return usage("there is no completion for %q: want bash, zsh or fish", c.Args().First())
			}
			return printf(c, "%s", script)
		},
	}
}

// completeCommand answers the scripts.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name:        "complete",
		Usage:       "print what could stand for the last of some words",
		ArgsUsage:   "WORD...",
		Hidden:      true,
		Description: "Shells call it, as the output of \"tallyvault completion\" says.\n\n   tallyvault complete -- meter re",
		Action: func(c *cli.Context) error {
			for _, word := range candidates(c.App, c.Args().Slice()) {
				if err := printf(c, "%s\n", word); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// candidates lists what could stand for the last of the words.
func candidates(app *cli.App, words []string) []string {
	if len(words) == 0 {
		return nil
	}
	rest, last := words[:len(words)-1], words[len(words)-1]
	flags, commands, atNoun := app.Flags, app.Commands, true
	for len(rest) > 0 {
		if isFlag(rest[0]) {
			n := width(flags, append(slices.Clone(rest), last))
			if n > len(rest) {
				return nil // the last word is this flag's value
			}
			rest = rest[n:]
			continue
		}
		command := named(commands, rest[0])
		if command == nil && atNoun && oracle.ValidID(rest[0]) {
			command = tradeCommand(rest[0])
			furnish(command, command.Name)
		}
		commands = nil // an argument, after which no verb stands
		if command != nil {
			flags, commands = command.Flags, command.Subcommands
		}
		atNoun, rest = false, rest[1:]
	}
	var found []string
	if strings.HasPrefix(last, "-") {
		for _, f := range flags {
			found = append(found, "--"+f.Names()[0])
		}
		found = append(found, "--help")
	} else {
		for _, c := range commands {
			if !c.Hidden {
				found = append(found, c.Name)
			}
		}
	}
	found = slices.DeleteFunc(found, func(s string) bool { return !strings.HasPrefix(s, last) })
	slices.Sort(found)
	return slices.Compact(found)
}
