package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/transport/client"
)

// newApp builds the command line. The arguments are looked at only to see
// whether they begin with the id of a market.
func newApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:      "tallyvault",
		Usage:     "an oracle and treasury that a committee runs together and anybody can check",
		UsageText: "tallyvault [--config FILE] NOUN VERB [flags]",
		Description: `A committee of 3, 5 or 7 nodes takes signed meter readings, oracles attest to
them, and what reached quorum is settled and paid. Every outcome has a receipt
that verifies offline.

To see all of it at once:         tallyvault demo
To run a cluster of your own:     tallyvault node init --help
                                  tallyvault genesis create --help
                                  tallyvault serve --help
To submit a reading to a market:  tallyvault MARKET submit-reading --help
                                  (MARKET is the market's id, such as energy)
To bring in a file of them:       tallyvault MARKET import --help
To check a receipt:               tallyvault receipt verify --help

Every flag can be set by an environment variable, TALLYVAULT_ and its name, or
in the file named by --config with one "name: value" a line. A flag beats the
variable, the variable beats the file.

Exit status: 0 done, 1 refused, 2 usage, 3 the outcome is not known.`,
		Flags:  []cli.Flag{configFlag()},
		Reader: stdin, Writer: stdout, ErrWriter: stderr,
		HideVersion: true, HideHelpCommand: true,
		ExitErrHandler: func(*cli.Context, error) {}, // report does it
		Commands: []*cli.Command{
			keyCommand(), nodeCommand(), genesisCommand(), serveCommand(),
			principalCommand("provider"), principalCommand("payer"), oracleCommand(),
			principalCommand("admin"), principalCommand("auditor"),
			meterCommand(), marketCommand(), depositCommand(), treasuryCommand(), govCommand(),
			commandCommand(), signCommand(), submitCommand(),
			statusCommand(), explainCommand(), accountsCommand(), settlementsCommand(), tokenCommand(),
			receiptCommand(), evidenceCommand(), policyCommand(), auditCommand(),
			demoCommand(), benchCommand(), versionCommand(), completionCommand(), completeCommand(),
		},
	}
	quietDefaults()
	app.Action = group
	app.OnUsageError = wrongUsage
	if id, ok := marketNoun(app, args); ok {
		app.Commands = append(app.Commands, tradeCommand(id))
	}
	for _, command := range app.Commands {
		furnish(command, app.Name+" "+command.Name)
	}
	return app
}

// quietDefaults leaves out of help what says nothing: that a switch is off and
// a number or time is not set. The library keeps the printer in a variable.
var quietDefaults = sync.OnceFunc(func() {
	stock := cli.FlagStringer
	noise := strings.NewReplacer(" (default: false)", "", " (default: 0s)", "", " (default: 0)", "")
	cli.FlagStringer = func(f cli.Flag) string { return noise.Replace(stock(f)) }
})

// furnish gives every command what all have in common: strict arguments, flags
// with names in the environment, the configuration file, help.
func furnish(c *cli.Command, name string) {
	c.HideHelpCommand = true
	c.OnUsageError = wrongUsage
	for _, sub := range c.Subcommands {
		// The library names the nouns itself, but not what is below them.
		sub.HelpName = name + " " + sub.Name
		furnish(sub, sub.HelpName)
	}
	if len(c.Subcommands) > 0 {
		c.Action = group
		return
	}
	c.Flags = append(c.Flags, configFlag())
	nameInEnvironment(c.Flags)
	c.Before = configure
	action := c.Action
	c.Action = func(ctx *cli.Context) error { return inCommand(ctx, action(ctx)) }
}

// group is what a noun without a verb does.
func group(c *cli.Context) error {
	if !c.Args().Present() {
		// Nothing was asked for, so this is no result.
		c.App.Writer = c.App.ErrWriter
		if err := cli.ShowSubcommandHelp(c); err != nil {
			return err
		}
		return told(exitUsage)
	}
	name := strings.TrimSpace(c.Command.HelpName)
	return &usageError{
		message: fmt.Sprintf("%s has no command %q", name, c.Args().First()),
		command: name,
	}
}

// wrongUsage turns the library's complaint into ours.
func wrongUsage(c *cli.Context, err error, _ bool) error {
	message := strings.Replace(err.Error(), "flag provided but not defined: -", "there is no flag --", 1)
	return &usageError{message: message, command: c.Command.HelpName}
}

// inCommand tells a usage error to which command's help to turn, and whoever read
// without a key that there is a flag for one.
func inCommand(c *cli.Context, err error) error {
	if refused, ok := errors.AsType[*client.Refused](err); ok && refused.Fields["token"] != "" && takesKey(c) && !c.IsSet("key") {
		return advise(err, "Give --key FILE: this committee answers only those whom it has registered.")
	}
	if wrong, ok := err.(*usageError); ok && wrong.command == "" { //nolint:errorlint // only one that was made just here
		wrong.command = c.Command.HelpName
	}
	return err
}

func takesKey(c *cli.Context) bool {
	return slices.ContainsFunc(c.Command.Flags, func(f cli.Flag) bool { return f.Names()[0] == "key" })
}

// arguments demands between least and most arguments; most < 0 is no bound.
func arguments(c *cli.Context, least, most int) error {
	n := c.NArg()
	switch {
	case n < least:
		return usage("%s is missing: usage is %s %s", c.Command.ArgsUsage, c.Command.HelpName, c.Command.ArgsUsage)
	case most >= 0 && n > most && most == 0:
		return usage("%s takes no arguments, found %q", c.Command.HelpName, c.Args().First())
	case most >= 0 && n > most:
		return usage("%q is one argument too many", c.Args().Get(most))
	}
	return nil
}

// demand asks for flags that must have a value, from wherever it comes.
func demand(c *cli.Context, names ...string) error {
	var missing []string
	for _, name := range names {
		if !c.IsSet(name) {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return usage("%s must be given", strings.Join(missing, " and "))
}
