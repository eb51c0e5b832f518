package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/cluster/metrics"
	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport"
)

// opsDefault is where the operator's listener is unless she says otherwise: on
// this machine only, since it speaks plain HTTP.
const opsDefault = "127.0.0.1:9401"

// leaveWithin is how long a node whose disk hangs waits for its doors to close, which
// give requests under way three seconds.
const leaveWithin = 5 * time.Second

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run this node",
		Description: `Opens the node's keys, checks that the genesis names them, that every node has
signed it and that it is the one this directory belongs to, and takes part in the
cluster until SIGINT or SIGTERM. At the first start --genesis is copied into the
directory; later starts need no --genesis.

   tallyvault serve --dir /var/lib/tallyvault --genesis genesis.json
   tallyvault serve --config /etc/tallyvault.yaml

A node that replaces another also needs the committee's command at its first start.
It waits until that is applied, catches up, and becomes a member:

   tallyvault serve --dir /var/lib/tallyvault --genesis genesis.json --join replace.json

It prints where it listens. /livez, /readyz, /metrics and profiles of processor
and memory (/debug/pprof/, for Go's pprof) are on --ops-addr.`,
		Flags: append([]cli.Flag{
			dirFlag(), genesisFlag("needed at the first start"), passphraseFlag(),
			&cli.StringFlag{Name: "join", Usage: "`FILE` with the signed replace_node command that lets this node in; needed at the first start of a node that genesis does not name"},
			&cli.StringSliceFlag{Name: "peer-node", Usage: "`FILE` with the statement (node.json) of a present member that genesis does not name; for --join, may be repeated"},
			&cli.StringFlag{Name: "peer-listen", Usage: "`ADDRESS` to listen on for other nodes (default: the one in the genesis)"},
			&cli.StringFlag{Name: "api-listen", Usage: "`ADDRESS` to listen on for the API (default: the one in the genesis)"},
			&cli.StringFlag{Name: "ops-addr", Value: opsDefault, Usage: "`ADDRESS` to listen on for the operator; empty for none"},
			&cli.StringFlag{Name: "tls-cert", Usage: "PEM `FILE` of the API's certificate (default: a self-made one, vouched for by the node key)"},
			&cli.StringFlag{Name: "tls-key", Usage: "PEM `FILE` of its key"},
			&cli.BoolFlag{Name: "public-reads", Usage: "let everybody read without a token"},
			&cli.Float64Flag{Name: "checks-per-second", Usage: "signature checks a second that one address may ask for (default 5000)"},
			&cli.IntFlag{Name: "connections-per-address", Usage: "open connections of one address (default 256)"},
			&cli.IntFlag{Name: "streams", Usage: "streams of events in all (default 256)"},
			&cli.IntFlag{Name: "streams-per-address", Usage: "streams of events of one address (default 64)"},
			&cli.DurationFlag{Name: "raft-timeout", Value: time.Second, Usage: "how long to wait for a leader before standing for election"},
			&cli.Uint64Flag{Name: "snapshot-threshold", Usage: "entries after which a snapshot is taken (default 256)"},
			&cli.DurationFlag{Name: "snapshot-interval", Usage: "how often to look whether one is due (default 30s)"},
			&cli.Uint64Flag{Name: "trailing-logs", Usage: "entries kept behind a snapshot for followers that lag (default 10240)"},
			&cli.DurationFlag{Name: "disk-timeout", Usage: "how long one write to the data directory may take before the node leaves its peers and ends (default 10s)"},
		}, logFlags()...),
		Action: serve,
	}
}

func serve(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "dir"); err != nil {
		return err
	}
	log, err := logger(c)
	if err != nil {
		return err
	}
	dir, err := nodedir.Open(c.String("dir"), passphrases(c).Ask)
	if err != nil {
		return err
	}
	if err := dir.AdoptJoin(c.String("join")); err != nil {
		return err
	}
	given, err := optionalGenesis(c)
	if err != nil {
		return err
	}
	g, err := dir.Adopt(given)
	if err != nil {
		return err
	}
	s := seat{dir: dir, genesis: g, log: log}
	if err := s.listen(c); err != nil {
		return errors.Join(err, s.close())
	}
	if err := s.open(c); err != nil {
		return errors.Join(err, s.close())
	}
	if err := s.announce(c); err != nil {
		return errors.Join(err, s.node.Close(), s.close())
	}
	return s.run(c.Context)
}

// seat is a node with its listeners.
type seat struct {
	dir            *nodedir.Dir
	genesis        *genesis.Signed
	log            *slog.Logger
	peer, api, ops net.Listener
	node           *cluster.Node
	door           *transport.Door
	registry       *prometheus.Registry
}

// listen opens the sockets before anything else: an address that is taken is
// the commonest reason why a start fails.
func (s *seat) listen(c *cli.Context) error {
	self, named := s.genesis.NodeNamed(s.dir.Statement.Name)
	if !named {
		self = s.dir.Statement
	}
	for _, l := range []struct {
		flag, otherwise string
		into            *net.Listener
	}{
		{"peer-listen", self.PeerAddress, &s.peer},
		{"api-listen", hostPort(self.APIAddress), &s.api},
		{"ops-addr", "", &s.ops},
	} {
		address := c.String(l.flag)
		if address == "" {
			address = l.otherwise
		}
		if address == "" && l.flag == "ops-addr" {
			continue
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("--%s: %w", l.flag, err)
		}
		*l.into = listener
	}
	return nil
}

func (s *seat) close() error {
	var errs []error
	for _, l := range []net.Listener{s.peer, s.api, s.ops} {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// open builds node and door.
func (s *seat) open(c *cli.Context) error {
	s.registry = prometheus.NewRegistry()
	s.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := metrics.InstallRaft(s.registry); err != nil {
		return err
	}
	join, err := s.join(c)
	if err != nil {
		return err
	}
	node, err := cluster.New(cluster.Config{
		Dir: s.dir.Path, Genesis: s.genesis, Join: join,
		NodeKey: s.dir.Node.Ed25519(), CosignerKey: s.dir.Cosigner.Ed25519(), SealingKey: s.dir.Sealing.Seed,
		PeerListener: s.peer, Clock: nodeClock(), Logger: s.log, Registry: s.registry,
		RaftTimeout: c.Duration("raft-timeout"), SnapshotThreshold: c.Uint64("snapshot-threshold"),
		SnapshotInterval: c.Duration("snapshot-interval"), TrailingLogs: c.Uint64("trailing-logs"),
		DiskTimeout: c.Duration("disk-timeout"),
	})
	if err != nil {
		return fmt.Errorf("opening the node: %w", err)
	}
	s.node = node
	s.door, err = transport.New(transport.Config{
		Node: node, Genesis: s.genesis, NodeKey: s.dir.Node.Ed25519(), Dir: s.dir.Path,
		TLSCert: c.String("tls-cert"), TLSKey: c.String("tls-key"), PublicReads: c.Bool("public-reads"),
		Limits:  limits(c),
		Version: version(), Logger: s.log, Registry: s.registry,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("opening the API: %w", err), node.Close())
	}
	return nil
}

// join is how a node comes in that genesis does not name, nil for the others.
func (s *seat) join(c *cli.Context) (*cluster.Join, error) {
	if s.dir.Join == nil {
		return nil, nil
	}
	join := &cluster.Join{Command: *s.dir.Join}
	for _, path := range c.StringSlice("peer-node") {
		n, err := nodedir.ReadStatement(path)
		if err != nil {
			return nil, fmt.Errorf("--peer-node: %w", err)
		}
		join.Peers = append(join.Peers, n)
	}
	return join, nil
}

// limits are the door's, as far as flags say; what is not set keeps its default.
func limits(c *cli.Context) transport.Limits {
	return transport.Limits{
		ChecksPerSecond: c.Float64("checks-per-second"), ConnectionsPerAddress: c.Int("connections-per-address"),
		Streams: c.Int("streams"), StreamsPerAddress: c.Int("streams-per-address"),
	}
}

// announce prints where the node listens, for people and scripts.
func (s *seat) announce(c *cli.Context) error {
	text := fmt.Sprintf("node %s of cluster %q (%s)\npeers %s\napi https://%s\n",
		s.dir.Statement.Name, s.genesis.Name, s.genesis.ClusterID(), s.peer.Addr(), s.api.Addr())
	if s.ops != nil {
		text += fmt.Sprintf("ops http://%s\n", s.ops.Addr())
	}
	return printf(c, "%s", text)
}

// run takes part until ctx ends or a part fails. The door closes first: what it
// has let in still needs the node.
func (s *seat) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	hung := make(chan error, 1)
	nodeCtx, stopNode := context.WithCancel(context.Background())
	defer stopNode()
	group.Go(func() error {
		defer stopNode()
		return s.door.Run(ctx, s.api)
	})
	group.Go(func() error {
		err := s.node.Run(nodeCtx)
		if err == nil && ctx.Err() == nil {
			err = errors.New("the node stopped by itself")
		}
		if _, hangs := errors.AsType[*cluster.HungDiskError](err); hangs {
			hung <- err
		}
		return err
	})
	if s.ops != nil {
		ops := transport.Ops{Ready: s.node.Ready, Gatherer: s.registry, Logger: s.log}
		group.Go(func() error { return ops.Run(ctx, s.ops) })
	}
	ended := make(chan error, 1)
	go func() { ended <- group.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			s.log.Info("stopped in order")
		}
		return err
	case err := <-hung:
		return s.leave(err, ended)
	}
}

// leave ends a node whose disk hangs. The doors are closed as well as can be, since
// the kernel keeps open what the process had open for as long as one thread of it
// waits for the disk; but something in them may wait for the disk, too.
func (s *seat) leave(hung error, ended <-chan error) error {
	s.log.Error("the node ends", "err", hung)
	timer := time.NewTimer(leaveWithin)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return hung
	}
}

// hostPort takes the address to listen on out of a node's API address.
func hostPort(api string) string {
	u, err := url.Parse(api)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
