package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "show on one screen how the nodes are doing",
		Description: `Asks every node by itself. With --digests it also compares the digests of their
live states, at one and the same entry: nodes that have applied the same entry
must have the same state.

   tallyvault status --key auditor.key --genesis genesis.json
   tallyvault status --digests --api https://a.example:8443 --api https://b.example:8443 \
      --key auditor.key --genesis genesis.json`,
		Flags: append([]cli.Flag{
			keyFlag("whoever reads, unless reads are public"), jsonFlag(),
			&cli.BoolFlag{Name: "digests", Usage: "compare the digests of the nodes' states"},
		}, clusterFlags()...),
		Action: status,
	}
}

// nodeStatus is what one node answered.
type nodeStatus struct {
	URL         string      `json:"url"`
	Status      *api.Status `json:"status,omitempty"`
	Digest      string      `json:"digest,omitempty"`
	DigestIndex api.Uint64  `json:"digest_index,omitempty"`
	Error       string      `json:"error,omitempty"`

	node *client.Client
}

// clusterStatus is what status prints. DigestsEqual is absent when they could
// not be compared at one entry.
type clusterStatus struct {
	Nodes        []*nodeStatus `json:"nodes"`
	DigestsEqual *bool         `json:"digests_equal,omitempty"`
}

func status(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	nodes, err := eachNode(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	defer cancel()
	// A node that is down must not make the others wait for the whole time.
	each(nodes, func(n *nodeStatus) {
		ctx, cancel := context.WithTimeout(ctx, min(c.Duration("timeout"), 5*time.Second))
		defer cancel()
		s, err := n.node.Status(ctx)
		if err != nil {
			n.Error = err.Error()
			return
		}
		n.Status = &s
	})
	out := clusterStatus{Nodes: nodes}
	if c.Bool("digests") {
		out.DigestsEqual = compareDigests(ctx, nodes)
	}
	if c.Bool("json") {
		err = printJSON(c, out)
	} else {
		err = printf(c, "%s", out.screen())
	}
	return statusOf(c, out, err)
}

func statusOf(c *cli.Context, s clusterStatus, err error) error {
	answered := 0
	for _, n := range s.Nodes {
		if n.Status != nil {
			answered++
		}
	}
	switch {
	case err != nil:
		return err
	case s.DigestsEqual != nil && !*s.DigestsEqual:
		return fmt.Errorf("the nodes' states differ at the same entry: one of them must be rebuilt from its peers")
	case answered == 0 || c.Bool("digests") && s.DigestsEqual == nil:
		return told(exitRefused)
	}
	return nil
}

// eachNode makes a client for every node's URL.
func eachNode(c *cli.Context) ([]*nodeStatus, error) {
	urls := c.StringSlice("api")
	if len(urls) == 0 && c.IsSet("genesis") {
		g, err := readGenesis(c)
		if err != nil {
			return nil, err
		}
		urls = apiAddresses(g)
	}
	var key *keyfile.Key
	if c.IsSet("key") {
		k, err := readKey(c, c.String("key"))
		if err != nil {
			return nil, err
		}
		key = &k
	}
	var nodes []*nodeStatus
	for _, u := range urls {
		node, err := dialURLs(c, []string{u}, key)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, &nodeStatus{URL: u, node: node})
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

// screen is the status in words.
func (s clusterStatus) screen() string {
	var b strings.Builder
	rows := [][]string{{"node", "role", "ready", "entry", "height", "leaves", "final", "lag", "state digest"}}
	for _, n := range s.Nodes {
		if n.Status == nil {
			rows = append(rows, []string{n.URL, "no answer", n.Error})
			continue
		}
		st := n.Status
		if b.Len() == 0 {
			fmt.Fprintf(&b, "cluster %s, era %s, epoch %d, time %s\n", st.Cluster, eraNumber(st.Era), st.Epoch, words.Time(st.Now))
		}
		ready := "yes"
		if !st.Ready {
			ready = "no: " + strings.Join(st.Reasons, "; ")
		}
		digest := ""
		if n.Digest != "" {
			digest = fmt.Sprintf("%.16s at entry %d", n.Digest, n.DigestIndex)
		}
		rows = append(rows, []string{
			st.Node, st.Role, ready, num(st.Index), num(st.Height), num(st.TreeSize), num(st.FinalSize), num(st.Lag), digest,
		})
	}
	b.WriteString(words.Columns(rows))
	for _, n := range s.Nodes {
		if n.Status != nil && len(n.Status.Alarms) > 0 {
			fmt.Fprintf(&b, "ALARM on %s: %s\n", n.Status.Node, strings.Join(n.Status.Alarms, "; "))
		}
	}
	switch {
	case s.DigestsEqual == nil:
	case *s.DigestsEqual:
		b.WriteString("The states are the same.\n")
	default:
		b.WriteString("THE STATES DIFFER.\n")
	}
	return b.String()
}

func num(n api.Uint64) string { return strconv.FormatUint(uint64(n), 10) }

func eraNumber(era string) string {
	number, _, _ := strings.Cut(era, "-")
	return number
}
