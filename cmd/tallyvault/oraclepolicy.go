package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/transport/agent"
)

func oraclePolicyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "check the policy of an oracle agent, and print what may be in one",
		Description: `A policy is one JSON object with rules; the first one whose market and meter match
a reading decides. Numbers of register units are strings. What may be in it, and
what it means, is in the schema, which editors understand, too:

   tallyvault oracle policy schema > oracle_policy.schema.json
   tallyvault oracle policy check policy.json`,
		Subcommands: []*cli.Command{oraclePolicyCheckCommand(), oraclePolicySchemaCommand()},
	}
}

func oraclePolicySchemaCommand() *cli.Command {
	return &cli.Command{
		Name:        "schema",
		Usage:       "print the JSON Schema of a policy",
		Description: "Every member is described there.\n\n   tallyvault oracle policy schema > oracle_policy.schema.json",
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			schema, err := agent.Schema()
			if err != nil {
				return err
			}
			return printf(c, "%s", schema)
		},
	}
}

func oraclePolicyCheckCommand() *cli.Command {
	return &cli.Command{
		Name:      "check",
		Usage:     "read a policy as an agent would, and say what it does",
		ArgsUsage: "FILE",
		Description: `Refuses what an agent would refuse, with line and column, and warns of rules that
never decide or limit nothing. --meter tells which rule decides on a meter.

   tallyvault oracle policy check policy.json
   tallyvault oracle policy check policy.json --market energy --meter roof-1`,
		Flags: []cli.Flag{
			marketFlag(),
			&cli.StringFlag{Name: "meter", Usage: "`ID` of a meter to find the rule for"},
			jsonFlag(),
		},
		Action: oraclePolicyCheck,
	}
}

// policyReport is what a check says.
type policyReport struct {
	Rules      int      `json:"rules"`
	Markets    []string `json:"markets"`
	References []string `json:"references"`
	Default    string   `json:"default"`
	Warnings   []string `json:"warnings"`
	Rule       *int     `json:"rule,omitempty"` // that decides on the meter asked for; 0 is the default
}

func oraclePolicyCheck(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	file := c.Args().First()
	p, err := agent.ReadPolicy(file)
	if err != nil {
		return err
	}
	report := policyReport{
		Rules: len(p.Rules), Markets: p.Markets(), References: []string{}, Default: string(p.Default), Warnings: append([]string{}, p.Warnings()...),
	}
	for name := range p.References {
		report.References = append(report.References, name)
	}
	slices.Sort(report.References)
	if meter := c.String("meter"); meter != "" {
		_, rule := p.RuleFor(c.String("market"), meter)
		report.Rule = &rule
	}
	if c.Bool("json") {
		return printJSON(c, report)
	}
	return printf(c, "%s", report.words(file, c.String("market"), c.String("meter")))
}

func (r policyReport) words(file, market, meter string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is a policy of %d rules for %s; without a rule: %s.\n", file, r.Rules, strings.Join(r.Markets, ", "), r.Default)
	if len(r.References) > 0 {
		fmt.Fprintf(&b, "It compares with %s.\n", strings.Join(r.References, ", "))
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "Warning: %s.\n", w)
	}
	switch {
	case r.Rule == nil:
	case *r.Rule == 0:
		fmt.Fprintf(&b, "No rule matches meter %s of market %s: %s.\n", meter, market, r.Default)
	default:
		fmt.Fprintf(&b, "Rule %d decides on meter %s of market %s.\n", *r.Rule, meter, market)
	}
	return b.String()
}
