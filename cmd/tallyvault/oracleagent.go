package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/transport"
	"github.com/tallyvault/tallyvault/transport/agent"
)

func oracleAgentCommand() *cli.Command {
	return &cli.Command{
		Name:  "agent",
		Usage: "attest to readings by a policy until stopped",
		Description: `Judges every new reading of the markets that the policy names by its limits, and
votes. Without a policy it attests nothing. Each rejection is logged with its
reason, what was found, the limit and the rule. The policy is one JSON object
(tallyvault oracle policy --help):

   {"default": "abstain", "rules": [
     {"market": "energy", "meter": "pv-*", "max_delta_per_hour": "6000",
      "night": {"from": "22:00", "to": "04:00", "utc_offset": "+00:00", "max_delta": "0"}},
     {"market": "energy", "meter": "*", "max_delta_per_hour": "15000"}]}

   tallyvault oracle agent --policy policy.json --key oracle-a.key --genesis genesis.json \
      --decision-log /var/lib/tallyvault-agent/decisions --ops-addr 127.0.0.1:9501

With --decision-log every verdict is on the disk before it is sent, so that an
agent that was killed never contradicts itself, and tallyvault oracle explain can
say why. /livez, /readyz and /metrics are on --ops-addr.

--dry-run judges the past and sends nothing: what the cluster has taken in, also
with how it was closed, or a file of interval values:

   tallyvault oracle agent --dry-run --policy policy.json --key ann.key --genesis genesis.json
   tallyvault oracle agent --dry-run --policy policy.json --input meters.csv --tz Australia/Sydney`,
		Flags: append(append(append([]cli.Flag{
			policyFileFlag(), keyFlag("the oracle"), decisionLogFlag(),
			&cli.Int64Flag{Name: "decision-log-bytes", Usage: "size of one of its files before the next is begun (default 64 MiB)"},
			&cli.IntFlag{Name: "decision-log-files", Usage: "how many of its files are kept (default 4)"},
			&cli.StringFlag{Name: "ops-addr", Usage: "`ADDRESS` to listen on for the operator, like 127.0.0.1:9501; none when not given"},
		}, dryRunFlags()...), logFlags()...), clusterFlags()...),
		Action: oracleAgent,
	}
}

func policyFileFlag() cli.Flag { return &cli.StringFlag{Name: "policy", Usage: "policy `FILE`"} }

func decisionLogFlag() cli.Flag {
	return &cli.StringFlag{Name: "decision-log", Usage: "`FILE` of JSON lines with the agent's verdicts; older ones are in FILE.1 and so on"}
}

func oracleAgent(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if !c.IsSet("policy") {
		return usage("--policy must be given: without a policy this agent attests nothing")
	}
	policy, err := agent.ReadPolicy(c.String("policy"))
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return oracleDryRun(c, policy)
	}
	if c.IsSet("input") {
		return usage("--input is for --dry-run: an agent votes on what the cluster has taken in")
	}
	if err := demand(c, "key", "genesis"); err != nil {
		return err
	}
	key, err := readKey(c, c.String("key"))
	if err != nil {
		return err
	}
	node, err := dial(c, &key)
	if err != nil {
		return err
	}
	defer node.Close()
	p, err := place(c)
	if err != nil {
		return err
	}
	log, err := logger(c)
	if err != nil {
		return err
	}
	config := agent.Config{
		Client: node, Key: key.Ed25519(), Cluster: p.Cluster, Era: p.Era, Policy: policy, Logger: log,
	}
	if path := c.String("decision-log"); path != "" {
		config.Decisions, err = agent.OpenDecisions(path, agent.LogOptions{Bytes: c.Int64("decision-log-bytes"), Files: c.Int("decision-log-files")})
		if err != nil {
			return err
		}
		defer func() { _ = config.Decisions.Close() }() // each decision was synced when it was written
	} else {
		log.Warn("without --decision-log an agent that is killed while it votes may contradict itself when it is started again")
	}
	tell(c, "Attesting in %s as %s until stopped.\n", strings.Join(policy.Markets(), ", "), key)
	return runAgent(c, config, log)
}

// runAgent attests, and serves its operator meanwhile.
func runAgent(c *cli.Context, config agent.Config, log *slog.Logger) error {
	registry := prometheus.NewRegistry()
	config.Registry = registry
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a, err := agent.New(config)
	if err != nil {
		return err
	}
	var listener net.Listener
	if address := c.String("ops-addr"); address != "" {
		if listener, err = net.Listen("tcp", address); err != nil {
			return fmt.Errorf("--ops-addr: %w", err)
		}
		if err := printf(c, "ops http://%s\n", listener.Addr()); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	group, ctx := errgroup.WithContext(c.Context)
	group.Go(func() error {
		if err := a.Run(ctx); err != nil {
			return err
		}
		return ctx.Err()
	})
	if listener != nil {
		ops := transport.Ops{Ready: a.Ready, Gatherer: registry, Logger: log}
		group.Go(func() error { return ops.Run(ctx, listener) })
	}
	if err := group.Wait(); err != nil && c.Context.Err() == nil {
		return err
	}
	log.Info("stopped in order")
	return nil
}
