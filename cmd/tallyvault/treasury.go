package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

func treasuryCommand() *cli.Command {
	return &cli.Command{
		Name:  "treasury",
		Usage: "propose, decide and follow payments out of the treasury",
		Description: `A disbursement is one payment out of the treasury: a draft that its proposer opens,
a vote, a timelock, the payment, and a window in which the committee can take it
back. Whatever time does, the cluster does by itself.

   tallyvault treasury submit payment.json --key ann.key --genesis genesis.json
   tallyvault treasury open ID --key ann.key --genesis genesis.json
   tallyvault treasury vote ID --verdict approve --key ben.key --genesis genesis.json
   tallyvault treasury status ID --key ben.key --genesis genesis.json`,
		Subcommands: append([]*cli.Command{
			treasurySubmitCommand(), treasuryAmendCommand(),
			treasuryStep("open", "begin the vote about a draft of your own", func(h fsm.Header, id [32]byte, _ *cli.Context) (any, error) {
				return fsm.Open{Header: h, Disbursement: id}, nil
			}),
			treasuryStep("cancel", "end a draft of your own", func(h fsm.Header, id [32]byte, _ *cli.Context) (any, error) {
				return fsm.Cancel{Header: h, Disbursement: id}, nil
			}),
			treasuryVoteCommand(),
			treasuryStep("queue", "try at once to count, to reserve and to start the timelock; no window is skipped", func(h fsm.Header, id [32]byte, _ *cli.Context) (any, error) {
				return fsm.Queue{Header: h, Disbursement: id}, nil
			}),
			treasuryStep("execute", "try at once to execute, and confirm where four eyes count; no window is skipped", func(h fsm.Header, id [32]byte, _ *cli.Context) (any, error) {
				return fsm.Execute{Header: h, Disbursement: id}, nil
			}),
			treasuryStep("veto", "end a disbursement that is not executed yet", func(h fsm.Header, id [32]byte, c *cli.Context) (any, error) {
				return fsm.Veto{Header: h, Disbursement: id, Reason: c.String("reason")}, demand(c, "reason")
			}, reasonFlag()),
			treasuryPauseCommand(), treasuryWithdrawCommand(),
		}, slices.Concat(treasuryGoverned(), treasuryRuleCommands(), treasuryReads())...),
	}
}

// govCommand leads to the same by the name that committees know from elsewhere.
func govCommand() *cli.Command {
	return &cli.Command{
		Name: "gov", Usage: "the same as treasury, by another name",
		Description: "   tallyvault gov treasury list --key auditor.key --genesis genesis.json",
		Subcommands: []*cli.Command{treasuryCommand()},
	}
}

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: "reason", Usage: "`TEXT` of one line that everybody will read"}
}

// treasurySubmitCommand and its amending twin read the body from a file, since it is
// longer than a line.
func treasurySubmitCommand() *cli.Command {
	return &cli.Command{
		Name: "submit", Usage: "propose a disbursement, as a draft", ArgsUsage: "FILE",
		Description: `FILE is the JSON of what is proposed; "-" is standard input. Amounts are strings of
minor units. Only title, destination and amount must be there:

   {"title": "Inverter", "destination": "provider/sunny", "amount": "1500",
    "memo": "invoice 12", "deps": [], "scheduled_epoch": "0"}

A payee outside has an account of its own, payee/NAME, and "payee" says where the
money goes. The command's identity is the disbursement's id. deploy/examples has more.

   tallyvault treasury submit payment.json --key ann.key --genesis genesis.json`,
		Flags: singleFlags(),
		Action: func(c *cli.Context) error {
			return withBody(c, 1, func(b fsm.DisbursementBody) error {
				return single(c, "propose", func(h fsm.Header) (any, error) { return fsm.Propose{Header: h, DisbursementBody: b}, nil })
			})
		},
	}
}

func treasuryAmendCommand() *cli.Command {
	return &cli.Command{
		Name: "amend", Usage: "replace the body of a draft of your own", ArgsUsage: "ID FILE",
		Description: "FILE is as for submit, and replaces the whole body.\n\n   tallyvault treasury amend ID payment.json --key ann.key --genesis genesis.json",
		Flags:       singleFlags(),
		Action: func(c *cli.Context) error {
			return withBody(c, 2, func(b fsm.DisbursementBody) error {
				id, err := idArgument(c)
				if err != nil {
					return err
				}
				return single(c, "amend", func(h fsm.Header) (any, error) {
					return fsm.Amend{Header: h, Disbursement: id, DisbursementBody: b}, nil
				})
			})
		},
	}
}

// withBody reads the body named by the last of n arguments.
func withBody(c *cli.Context, n int, use func(fsm.DisbursementBody) error) error {
	if err := arguments(c, n, n); err != nil {
		return err
	}
	text, err := readFileOrInput(c, c.Args().Get(n-1), maxBodyFile)
	if err != nil {
		return err
	}
	var b fsm.DisbursementBody
	if err := strict.Decode(text, &b); err != nil {
		return usage("%s is not a disbursement: %v", c.Args().Get(n-1), err)
	}
	return use(b)
}

// treasuryStep is the command of one signature about one disbursement.
func treasuryStep(name, what string, build func(h fsm.Header, id [32]byte, c *cli.Context) (any, error), own ...cli.Flag) *cli.Command {
	return &cli.Command{
		Name: name, Usage: what, ArgsUsage: "ID",
		Description: "ID is the disbursement's: tallyvault treasury list shows them.\n\n   tallyvault treasury " + name + " ID --key ann.key --genesis genesis.json",
		Flags:       append(own, singleFlags()...),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, 1); err != nil {
				return err
			}
			id, err := idArgument(c)
			if err != nil {
				return err
			}
			return single(c, name, func(h fsm.Header) (any, error) { return build(h, id, c) })
		},
	}
}

func treasuryVoteCommand() *cli.Command {
	return &cli.Command{
		Name: "vote", Usage: "vote, once and for ever", ArgsUsage: "ID",
		Description: `Shows what the vote is about as the node tells it, with the hash of its content, which
the vote names: it counts for no other text or amount.

   tallyvault treasury vote ID --verdict approve --key ben.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "verdict", Usage: "the vote: `approve|reject`"},
		}, singleFlags()...),
		Action: treasuryVote,
	}
}

func treasuryPauseCommand() *cli.Command {
	return &cli.Command{
		Name: "pause", Usage: "stop outflows; only the admin threshold lets them go on",
		Description: "Scope treasury stops disbursements, all stops withdrawals and payouts too. One signature is enough.\n\n" +
			"   tallyvault treasury pause --scope treasury --reason audit --key ann.key --genesis genesis.json",
		Flags: append([]cli.Flag{scopeFlag(), reasonFlag()}, singleFlags()...),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			if err := demand(c, "reason"); err != nil {
				return err
			}
			return single(c, "pause", func(h fsm.Header) (any, error) {
				return fsm.Pause{Header: h, Scope: c.String("scope"), Reason: c.String("reason")}, nil
			})
		},
	}
}

func scopeFlag() cli.Flag {
	return &cli.StringFlag{Name: "scope", Value: "treasury", Usage: "`SCOPE`: treasury or all"}
}

func treasuryWithdrawCommand() *cli.Command {
	return &cli.Command{
		Name: "withdraw", Usage: "ask for money of your own account to be paid out",
		Description: `For providers and payers. The amount is held at once; the committee pays it outside
and records how that ended. The command's identity is the withdrawal's id.

   tallyvault treasury withdraw --amount 500 --payee "IBAN ..." --key sunny.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "amount", Usage: "how much, in minor units"},
			&cli.StringFlag{Name: "payee", Usage: "`TEXT`: where the money goes"},
		}, singleFlags()...),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			if err := demand(c, "amount", "payee"); err != nil {
				return err
			}
			amount, err := strict.ParseAmount(c.String("amount"))
			if err != nil || amount.IsZero() {
				return usage("--amount %q: want a whole number of minor units above zero, in plain digits", c.String("amount"))
			}
			return single(c, "withdraw", func(h fsm.Header) (any, error) {
				return fsm.Withdraw{Header: h, Amount: amount, Payee: c.String("payee")}, nil
			})
		},
	}
}

// treasuryGoverned are those that take the admin threshold.
func treasuryGoverned() []*cli.Command {
	about := func(name, what, example string, args int, flags []cli.Flag, build func(c *cli.Context, h fsm.ThresholdHeader, id [32]byte) any, needed ...string) *cli.Command {
		command := &cli.Command{
			Name: name, Usage: what, Description: "   tallyvault treasury " + name + " " + example + " --genesis genesis.json --out command.json" + howThreshold,
			Flags: thresholdFlags(flags...),
			Action: func(c *cli.Context) error {
				if err := arguments(c, args, args); err != nil {
					return err
				}
				if err := demand(c, needed...); err != nil {
					return err
				}
				var id [32]byte
				if args > 0 {
					var err error
					if id, err = idArgument(c); err != nil {
						return err
					}
				}
				return propose(c, strings.ReplaceAll(name, "-", "_"), func(h fsm.ThresholdHeader) (any, error) { return build(c, h, id), nil })
			},
		}
		if args > 0 {
			command.ArgsUsage = "ID"
		}
		return command
	}
	reference := &cli.StringFlag{Name: "reference", Usage: "`TEXT` that names the payment outside; it counts once for ever"}
	return []*cli.Command{
		about("rollback", "take an executed disbursement back inside its window", `ID --reason "wrong account"`, 1, []cli.Flag{reasonFlag()},
			func(c *cli.Context, h fsm.ThresholdHeader, id [32]byte) any {
				return fsm.Rollback{ThresholdHeader: h, Disbursement: id, Reason: c.String("reason")}
			}, "reason"),
		about("unpause", "let outflows go on", "--scope treasury", 0, []cli.Flag{scopeFlag()},
			func(c *cli.Context, h fsm.ThresholdHeader, _ [32]byte) any {
				return fsm.Unpause{ThresholdHeader: h, Scope: c.String("scope")}
			}),
		about("payout", "note under which reference a withdrawal is paid outside", `ID --reference "wire 7"`, 1, []cli.Flag{reference},
			func(c *cli.Context, h fsm.ThresholdHeader, id [32]byte) any {
				return fsm.Payout{ThresholdHeader: h, Withdrawal: id, Reference: c.String("reference")}
			}, "reference"),
		about("record-payout", "note how a payment outside ended", `ID --reference "wire 7" --result paid`, 1,
			[]cli.Flag{reference, &cli.StringFlag{Name: "result", Usage: "`RESULT`: paid, failed, or unknown, which blocks a retry"}},
			func(c *cli.Context, h fsm.ThresholdHeader, id [32]byte) any {
				return fsm.RecordPayout{ThresholdHeader: h, Withdrawal: id, Reference: c.String("reference"), Result: c.String("result")}
			}, "reference", "result"),
	}
}
