package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show on one screen how the nodes are doing",
		Description: `Asks every node by itself, those too that came after genesis. It shows whether
the committee commits and whether it finalises, which are two things; how far each
node is behind; how far its clock is off this machine's; versions, disks and alarms.

With --watch it asks again and again and draws the screen anew; where the output is
no terminal, one screen follows the other. With --digests it also compares the
digests of the nodes' live states, at one and the same entry: nodes that have
applied the same entry must have the same state.

   tallyvault status --key auditor.key --genesis genesis.json
   tallyvault status --watch --key auditor.key --genesis genesis.json
   tallyvault status --digests --api https://a.example:8443 --api https://b.example:8443 \
      --key auditor.key --genesis genesis.json

The exit status is 1 when no node answers or the states differ.`,
		Flags: append([]cli.Flag{
			keyFlag("whoever reads, unless reads are public"), jsonFlag(),
			&cli.BoolFlag{Name: "digests", Usage: "compare the digests of the nodes' states"},
			&cli.BoolFlag{Name: "watch", Usage: "ask again and again, until interrupted"},
			&cli.DurationFlag{Name: "every", Value: 2 * time.Second, Usage: "how often --watch asks"},
		}, clusterFlags()...),
		Action: status,
	}
}

// nodeStatus is what one node answered.
type nodeStatus struct {
	URL         string      `json:"url"`
	Node        string      `json:"node,omitempty"`
	Status      *api.Status `json:"status,omitempty"`
	ClockMs     *int64      `json:"clock_ms,omitempty"`     // its clock minus this machine's
	ClockOffMs  int64       `json:"clock_off_ms,omitempty"` // by how much ClockMs may be wrong
	Digest      string      `json:"digest,omitempty"`
	DigestIndex api.Uint64  `json:"digest_index,omitempty"`
	Error       string      `json:"error,omitempty"`

	node    *client.Client
	members []api.Node // as this node knows them
}

// clusterStatus is what status prints. DigestsEqual is absent when they could
// not be compared at one entry.
type clusterStatus struct {
	committeeStatus
	Nodes        []*nodeStatus `json:"nodes"`
	DigestsEqual *bool         `json:"digests_equal,omitempty"`
}

func status(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if c.Duration("every") < 100*time.Millisecond {
		return usage("--every %s is too often: want 100ms or more", c.Duration("every"))
	}
	key, err := optionalKey(c)
	if err != nil {
		return err
	}
	nodes, err := eachNode(c, key)
	if err != nil {
		return err
	}
	asking := &statusAsking{c: c, key: key, nodes: nodes}
	if c.Bool("watch") {
		return asking.watch()
	}
	out := asking.ask(c.Context)
	if c.Bool("json") {
		err = printJSON(c, out)
	} else {
		err = printf(c, "%s", out.screen(time.Now()))
	}
	return statusOf(c, out, err)
}

// statusAsking asks the nodes of a cluster, again and again if need be.
type statusAsking struct {
	c     *cli.Context
	key   *keyfile.Key
	nodes []*nodeStatus
}

// askWithin bounds how long a node that is down makes the others wait.
const askWithin = 5 * time.Second

func (a *statusAsking) ask(ctx context.Context) clusterStatus {
	ctx, cancel := context.WithTimeout(ctx, a.c.Duration("timeout"))
	defer cancel()
	within := min(a.c.Duration("timeout"), askWithin)
	a.round(ctx, within, a.nodes)
	if found := a.unasked(); len(found) > 0 {
		a.round(ctx, within, found)
		a.nodes = append(a.nodes, found...)
	}
	out := clusterStatus{Nodes: a.nodes, committeeStatus: committeeOf(a.nodes)}
	if a.c.Bool("digests") {
		out.DigestsEqual = compareDigests(ctx, a.nodes)
	}
	return out
}

func (a *statusAsking) round(ctx context.Context, within time.Duration, nodes []*nodeStatus) {
	each(nodes, func(n *nodeStatus) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		n.ask(ctx)
	})
}

// ask asks one node. Who the members are is asked first: it is public, and brings up
// the connection, so that the time of the second question is that of the network.
func (n *nodeStatus) ask(ctx context.Context) {
	n.Status, n.ClockMs, n.Error = nil, nil, ""
	var committee api.Nodes
	if err := n.node.Get(ctx, "/v1/nodes", nil, &committee); err != nil {
		n.Error = reasonOf(err)
		return
	}
	n.members = committee.Nodes
	for _, m := range committee.Nodes {
		if m.This {
			n.Node = m.Node
		}
	}
	before := time.Now()
	s, err := n.node.Status(ctx)
	if err != nil {
		n.Error = reasonOf(err)
		return
	}
	n.Status = &s
	if s.Clock != 0 { // a node of an older version says nothing of it
		took := time.Since(before)
		offset := s.Clock - before.Add(took/2).UnixMilli()
		n.ClockMs, n.ClockOffMs = &offset, (took/2).Milliseconds()+1
	}
}

// reasonOf is the last link of an error's chain that a person can use: why the node
// was not reached, not that it was not.
func reasonOf(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}

// unasked are members that came after genesis, or that --api does not name a node for
// when none was given.
func (a *statusAsking) unasked() []*nodeStatus {
	if a.c.IsSet("api") {
		return nil
	}
	known := map[string]bool{}
	for _, n := range a.nodes {
		known[n.URL] = true
	}
	var found []*nodeStatus
	for _, n := range a.nodes {
		for _, m := range n.members {
			if known[m.APIAddress] || m.Standing == "retired" {
				continue
			}
			known[m.APIAddress] = true
			node, err := dialWith(a.c, client.Config{URLs: []string{m.APIAddress}, OneRound: true}, a.key)
			if err != nil {
				continue // its address was checked when it was let in; the others are shown all the same
			}
			found = append(found, &nodeStatus{URL: m.APIAddress, Node: m.Node, node: node})
		}
	}
	return found
}

func statusOf(c *cli.Context, s clusterStatus, err error) error {
	switch {
	case err != nil:
		return err
	case s.DigestsEqual != nil && !*s.DigestsEqual:
		return fmt.Errorf("the nodes' states differ at the same entry: one of them must be rebuilt from its peers")
	case s.Answering == 0 || c.Bool("digests") && s.DigestsEqual == nil:
		return told(exitRefused)
	}
	return nil
}

// optionalKey opens the key named by --key, if there is one.
func optionalKey(c *cli.Context) (*keyfile.Key, error) {
	if !c.IsSet("key") {
		return nil, nil
	}
	k, err := readKey(c, c.String("key"))
	if err != nil {
		return nil, err
	}
	return &k, nil
}

// eachNode makes a client for every node's URL.
func eachNode(c *cli.Context, key *keyfile.Key) ([]*nodeStatus, error) {
	urls := c.StringSlice("api")
	names := map[string]string{}
	if c.IsSet("genesis") {
		g, err := readGenesis(c)
		if err != nil {
			return nil, err
		}
		if len(urls) == 0 {
			urls = apiAddresses(g)
		}
		for _, n := range g.Nodes {
			names[n.APIAddress] = n.Name
		}
	}
	var nodes []*nodeStatus
	for _, u := range urls {
		node, err := dialWith(c, client.Config{URLs: []string{u}, OneRound: true}, key)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, &nodeStatus{URL: u, Node: names[u], node: node})
	}
	if len(nodes) == 0 {
		return nil, usage("no node to talk to: give --api URL or --genesis FILE")
	}
	return nodes, nil
}

// each asks all nodes at once.
func each(nodes []*nodeStatus, ask func(*nodeStatus)) {
	var asking sync.WaitGroup
	for _, n := range nodes {
		asking.Go(func() { ask(n) })
	}
	asking.Wait()
}

// digestRounds bounds how often nodes are asked before it is given up to catch
// them at the same entry.
const digestRounds = 20

// compareDigests asks the nodes that answer for their digests until all of them
// tell one of the same entry. Nil means that they could not be compared.
func compareDigests(ctx context.Context, nodes []*nodeStatus) *bool {
	var up []*nodeStatus
	for _, n := range nodes {
		if n.Status != nil {
			up = append(up, n)
		}
	}
	if len(up) < 2 {
		return nil
	}
	var at api.Uint64
	for range digestRounds {
		each(up, func(n *nodeStatus) { n.askDigest(ctx, at) })
		equal, same := true, true
		for _, n := range up {
			at = max(at, n.DigestIndex)
			same = same && n.DigestIndex == up[0].DigestIndex && n.Digest != ""
			equal = equal && n.Digest == up[0].Digest
		}
		if same {
			return &equal
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

func (n *nodeStatus) askDigest(ctx context.Context, at api.Uint64) {
	if n.DigestIndex > 0 && n.DigestIndex == at {
		return // the others may reach this entry yet
	}
	var d api.Digest
	err := n.node.Get(ctx, "/v1/digest", url.Values{"min_index": {strconv.FormatUint(uint64(at), 10)}}, &d)
	if err != nil {
		n.Error, n.Digest, n.DigestIndex = err.Error(), "", 0
		return
	}
	n.Error, n.Digest, n.DigestIndex = "", d.Digest, d.Index
}

func num(n api.Uint64) string { return strconv.FormatUint(uint64(n), 10) }

func eraNumber(era string) string {
	number, _, _ := strings.Cut(era, "-")
	return number
}
