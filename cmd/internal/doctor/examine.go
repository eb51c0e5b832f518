package doctor

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"sync"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Config says which node to examine.
type Config struct {
	Dir     string
	Genesis *genesis.Signed // nil: the directory's own
	Ask     func(prompt string) (string, error)
	// Where the node listens, if not at its addresses in genesis.
	PeerListen, APIListen string
	Version               string
	// Status asks a node how it is doing, with a key that may read; nil if there is none.
	Status func(ctx context.Context, g *genesis.Signed, url string) (api.Status, error)
}

// Examine runs every check. What one of them needs and another has found missing is
// not asked again.
func Examine(ctx context.Context, c Config) *Report {
	r := &Report{Findings: []Finding{}}
	if _, err := os.Stat(c.Dir); err != nil {
		r.bad(Fail, "directory", "name with --dir what node init made; if its disk is lost, replace the node (runbooks/replace-node.md)", "%v", err)
		return r
	}
	r.permissions(c.Dir)
	r.disk(c.Dir)
	dir, err := nodedir.Open(c.Dir, c.Ask)
	if err != nil {
		r.bad(Fail, "keys", "mend this first, then run the doctor again: the rest needs the keys", "%v", err)
		return r
	}
	r.Node = dir.Statement.Name
	r.ok("keys", "the three keys are those that node.json of %s names, and it is signed by two of them", r.Node)
	g := r.genesis(c, dir)
	if g == nil {
		return r
	}
	e := &examination{Report: r, config: c, dir: dir, genesis: g, cluster: g.Cluster}
	e.self, e.named = g.NodeNamed(r.Node)
	if !e.named {
		e.self = dir.Statement
	}
	e.own(ctx)
	e.directory()
	e.others(ctx)
	return r
}

// genesis is the one that the node runs with, nil if there is none that is whole.
func (r *Report) genesis(c Config, dir *nodedir.Dir) *genesis.Signed {
	g, err := dir.Genesis()
	if err == nil && g == nil {
		g = c.Genesis
	}
	switch {
	case err != nil:
		r.bad(Fail, "genesis", "take the file from another node; it is the same on all", "%v", err)
		return nil
	case g == nil:
		r.bad(Warn, "genesis", "name it with --genesis to have the rest examined", "the node was never started and no genesis is given")
		return nil
	}
	if err := g.CheckSigned(); err != nil {
		r.bad(Fail, "genesis", "let every node sign it (runbooks/genesis.md)", "%v", err)
		return nil
	}
	if c.Genesis != nil && c.Genesis.Hash != g.Hash {
		r.bad(Fail, "genesis", "find out which of the two the committee has", "the directory's genesis is another one than the file given: %x, %x", g.Hash[:8], c.Genesis.Hash[:8])
		return g
	}
	r.ok("genesis", "cluster %q, %s, signed by all its nodes", g.Name, g.ClusterID())
	return g
}

// examination is what the checks of one node share.
type examination struct {
	*Report
	config  Config
	dir     *nodedir.Dir
	genesis *genesis.Signed
	cluster [16]byte
	self    genesis.Node
	named   bool // by genesis
	members []api.Node
}

// directory looks at the small files. While the node runs, their content is its own
// business, and it looks at them itself.
func (e *examination) directory() {
	started, errs := cluster.Examine(e.dir.Path, e.genesis, e.self.Name, e.dir.Cosigner.Ed25519())
	if !started {
		e.ok("directory", "the node was never started here")
		return
	}
	for _, err := range errs {
		e.bad(Fail, "directory", "delete nothing; see runbooks/node-down.md", "%v", err)
	}
	if len(errs) == 0 {
		e.ok("directory", "cluster.json, signed.json, members.json, Raft's log and the journal are there, and the small ones whole; tallyvault audit looks at every leaf")
	}
}

// own looks at the node's own doors.
func (e *examination) own(ctx context.Context) {
	seen, err := visit(ctx, e.self.APIAddress)
	if err == nil && seen.name == e.self.Name {
		e.Running = true
		e.members = seen.nodes.Nodes
		e.ok("api port", "%s answers as %s", e.self.APIAddress, seen.name)
		e.certificate(e.self.Name, seen)
		e.word(ctx, api.Node{Node: e.self.Name, APIAddress: e.self.APIAddress})
	} else {
		e.free("api port", firstOf(e.config.APIListen, hostPort(e.self.APIAddress)))
	}
	if e.Running {
		e.ok("peer port", "the node that runs holds it; what others see of it is below")
		return
	}
	e.free("peer port", firstOf(e.config.PeerListen, e.self.PeerAddress))
}

// free asks whether a node that is down could listen at an address.
func (e *examination) free(check, address string) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		e.bad(Fail, check, "end what listens there, or name another address with --api-listen or --peer-listen as serve has it", "the node does not answer and cannot listen: %v", err)
		return
	}
	e.ok(check, "%s is free for the node, which is down", address)
}

// others looks at every other member, all at once, and reports in their order.
func (e *examination) others(ctx context.Context) {
	members := e.members
	if members == nil {
		for _, n := range e.genesis.Nodes {
			members = append(members, api.Node{Node: n.Name, PeerAddress: n.PeerAddress, APIAddress: n.APIAddress, NodeKey: keyText(n.NodeKey), Standing: "active"})
		}
	}
	var reports []*examination
	var asking sync.WaitGroup
	for _, m := range members {
		if m.Node == e.self.Name || m.Standing == "retired" {
			continue
		}
		part := *e
		part.Report = &Report{Running: e.Running}
		reports = append(reports, &part)
		asking.Go(func() { part.other(ctx, m) })
	}
	asking.Wait()
	for _, part := range reports {
		e.Findings = append(e.Findings, part.Findings...)
	}
}

func firstOf(given, otherwise string) string {
	if given != "" {
		return given
	}
	return otherwise
}

func hostPort(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "443")
	}
	return u.Host
}

// why is the part of a network's error that says what is wrong.
func why(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err.Error()
	}
	return err.Error()
}
