package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// treasuryRuleCommands change who votes and under which rules.
func treasuryRuleCommands() []*cli.Command {
	return []*cli.Command{
		{
			Name: "set-house", Usage: "replace a house of voters, or dissolve it when no member is given",
			Description: `Members are admins or oracles. Votes that are open go on under the houses of their
opening.

   tallyvault treasury set-house --house builders --member ann=2 --member olga=1 \
      --genesis genesis.json --out house.json` + howThreshold,
			Flags: thresholdFlags(
				&cli.StringFlag{Name: "house", Value: genesis.Operators, Usage: "`NAME` of the house"},
				&cli.StringSliceFlag{Name: "member", Usage: "`PRINCIPAL=WEIGHT`, repeatable"},
			),
			Action: setHouse,
		},
		{
			Name: "set-rules", Usage: "replace the treasury's rules: grace, caps, four eyes and brackets", ArgsUsage: "FILE",
			Description: `FILE is JSON as in deploy/examples/treasury_rules.json; "-" is standard input. What is
open keeps its terms.

   tallyvault treasury set-rules rules.json --genesis genesis.json --out command.json` + howThreshold,
			Flags:  thresholdFlags(),
			Action: setRules,
		},
	}
}

func setHouse(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	h := genesis.House{House: c.String("house")}
	for _, text := range c.StringSlice("member") {
		m, err := parseMember(text)
		if err != nil {
			return err
		}
		h.Members = append(h.Members, m)
	}
	sortMembers(h.Members)
	return propose(c, "set_house", func(t fsm.ThresholdHeader) (any, error) {
		return fsm.SetHouse{ThresholdHeader: t, House: h}, nil
	})
}

func setRules(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	rules, err := readRules(c, c.Args().First())
	if err != nil {
		return err
	}
	return propose(c, "set_treasury", func(h fsm.ThresholdHeader) (any, error) {
		return fsm.SetTreasury{ThresholdHeader: h, Treasury: rules}, nil
	})
}

func readRules(c *cli.Context, path string) (rules genesis.Treasury, err error) {
	text, err := readFileOrInput(c, path, maxBodyFile)
	if err != nil {
		return rules, err
	}
	if err := strict.Decode(text, &rules); err != nil {
		return rules, usage("%s does not have a treasury's rules: %v", path, err)
	}
	return rules, nil
}

// parseMember reads PRINCIPAL=WEIGHT.
func parseMember(text string) (m genesis.Member, err error) {
	name, number, ok := strings.Cut(text, "=")
	m.Principal = name
	if ok {
		m.Weight, err = strconv.ParseUint(number, 10, 64)
	}
	if !ok || err != nil || m.Weight == 0 {
		return m, usage("%q: want PRINCIPAL=WEIGHT, such as ann=2", text)
	}
	return m, nil
}

func sortMembers(members []genesis.Member) {
	slices.SortFunc(members, func(a, b genesis.Member) int { return strings.Compare(a.Principal, b.Principal) })
}

// treasuryFlags are those of a genesis.
func treasuryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "treasury", Usage: "`FILE` with the treasury's rules, as deploy/examples/treasury_rules.json (default: the profile's)"},
		&cli.StringSliceFlag{Name: "house", Usage: "`HOUSE:PRINCIPAL=WEIGHT` of a voter on disbursements, repeatable (default: operators, of all admins alike)"},
		&cli.BoolFlag{Name: "short-treasury-windows", Usage: "windows of the treasury under a day are meant, in production"},
	}
}

// shapeTreasury takes these flags into a genesis.
func shapeTreasury(c *cli.Context, g *genesis.Genesis) error {
	g.ShortTreasuryWindows = c.Bool("short-treasury-windows")
	if c.IsSet("treasury") {
		rules, err := readRules(c, c.String("treasury"))
		if err != nil {
			return err
		}
		g.Treasury = &rules
	}
	for _, text := range c.StringSlice("house") {
		name, rest, ok := strings.Cut(text, ":")
		m, err := parseMember(rest)
		if !ok || err != nil {
			return usage("--house %q: want HOUSE:PRINCIPAL=WEIGHT, such as builders:ann=2", text)
		}
		i := slices.IndexFunc(g.Houses, func(h genesis.House) bool { return h.House == name })
		if i < 0 {
			i = len(g.Houses)
			g.Houses = append(g.Houses, genesis.House{House: name})
		}
		g.Houses[i].Members = append(g.Houses[i].Members, m)
	}
	for _, h := range g.Houses {
		sortMembers(h.Members)
	}
	return nil
}
