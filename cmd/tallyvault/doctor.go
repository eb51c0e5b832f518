package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/doctor"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func nodeDoctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "examine this node's machine, and what it and the others see of each other",
		Description: `Looks at the directory and its permissions, the keys, the disk and how fast it
syncs, the ports, the certificates and their pins, and this machine's clock against
every other node's. With --key of somebody who may read it also compares versions and
asks the others when they last reached this node. It works while the node runs and
while it is down, and changes nothing. Run it as the user that runs the node.

   tallyvault node doctor --dir /var/lib/tallyvault
   tallyvault node doctor --dir /var/lib/tallyvault --key auditor.key

The exit status is 1 if anything fails; what is only to be looked at does not count.`,
		Flags: []cli.Flag{
			dirFlag(), genesisFlag("of a node that was never started"), keyFlag("whoever reads"), jsonFlag(), passphraseFlag(),
			&cli.StringFlag{Name: "peer-listen", Usage: "`ADDRESS` where serve listens for other nodes (default: the one in the genesis)"},
			&cli.StringFlag{Name: "api-listen", Usage: "`ADDRESS` where serve listens for the API (default: the one in the genesis)"},
		},
		Action: nodeDoctor,
	}
}

func nodeDoctor(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "dir"); err != nil {
		return err
	}
	config := doctor.Config{
		Dir: c.String("dir"), Ask: passphrases(c).Ask, Version: version(),
		PeerListen: c.String("peer-listen"), APIListen: c.String("api-listen"),
	}
	var err error
	if config.Genesis, err = optionalGenesis(c); err != nil {
		return err
	}
	key, err := optionalKey(c)
	if err != nil {
		return err
	}
	if key != nil {
		config.Status = func(ctx context.Context, g *genesis.Signed, url string) (api.Status, error) {
			node, err := client.Dial(client.Config{URLs: []string{url}, Genesis: g, Key: key.Ed25519(), OneRound: true})
			if err != nil {
				return api.Status{}, err
			}
			defer node.Close()
			return node.Status(ctx)
		}
	}
	report := doctor.Examine(c.Context, config)
	if c.Bool("json") {
		err = printJSON(c, report)
	} else {
		err = printf(c, "%s", doctorWords(report))
	}
	if err == nil && report.Worst() == doctor.Fail {
		return told(exitRefused)
	}
	return err
}

func doctorWords(r *doctor.Report) string {
	var b strings.Builder
	standing := "is down"
	if r.Running {
		standing = "runs"
	}
	if r.Node != "" {
		fmt.Fprintf(&b, "Node %s %s.\n\n", r.Node, standing)
	}
	widest := 0
	for _, f := range r.Findings {
		widest = max(widest, len(f.Check))
	}
	indent := strings.Repeat(" ", widest+8)
	for _, f := range r.Findings {
		line := fmt.Sprintf("%-4s  %-*s  ", f.State, widest, f.Check)
		b.WriteString(line + words.Wrapped(f.Seen, 110, indent))
		if f.Do != "" {
			b.WriteString(indent + words.Wrapped("-> "+f.Do, 110, indent))
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d to look at, %d failed\n", r.Count(doctor.OK), r.Count(doctor.Warn), r.Count(doctor.Fail))
	return b.String()
}
