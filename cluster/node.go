package cluster

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/journal"
	"github.com/tallyvault/tallyvault/cluster/logstore"
	"github.com/tallyvault/tallyvault/cluster/metrics"
	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// A Node is one member of a committee. See the package documentation.
type Node struct {
	config Config
	dir    dataDir
	self   genesis.Node
	roster *roster

	disk      *diskWatch
	log       *logstore.Store
	journal   *journal.Journal
	replica   *replica
	port      *peer.Port
	calls     *calls
	consensus *consensus

	alarms   localAlarms
	finality *finality
	clocks   *committeeClock
	load     *followerLoad
	flights  *flights
	forwards forwards
	cores    cores
	measures *metrics.Node
	market   *metrics.Market
	treasury *metrics.Treasury
	auditor  *auditor

	raft     atomic.Pointer[raft.Raft] // nil before Run
	session  atomic.Pointer[session]   // nil unless this node leads
	cutMade  atomic.Pointer[madeCut]
	replayed atomic.Uint64 // index up to which Raft's log was there at the start
	lastTick atomic.Int64  // when the last tick was applied, unix ns
	heard    atomic.Pointer[heardTime]
	apart    time.Time // since when this clock and the committee's differ, for Raft's goroutine
	draining atomic.Bool
	waits    atomic.Pointer[string] // what this node waits for before it takes part
	over     chan struct{}          // closed once Raft has stopped
	failed   chan error             // holds the first fatal error
}

// New validates the configuration and opens the data directory. It starts nothing
// and waits for nobody; Run must follow, or Close.
func New(c Config) (*Node, error) {
	c, err := c.normal()
	if err != nil {
		return nil, err
	}
	self, logKey, err := c.member()
	if err != nil {
		return nil, err
	}
	n := &Node{
		config: c, dir: dataDir(c.Dir), self: self, disk: newDiskWatch(c.Dir, c.DiskTimeout),
		flights: newFlights(), cores: newCores(),
		over: make(chan struct{}), failed: make(chan error, 1),
	}
	if err := n.open(logKey); err != nil {
		return nil, errors.Join(err, n.closeStores())
	}
	return n, nil
}

// open takes the parts in order: what can refuse without leaving a trace first.
func (n *Node) open(logKey ed25519.PrivateKey) error {
	g := n.config.Genesis
	machine, err := fsm.New(g)
	if err != nil {
		return err
	}
	if err := n.dir.claim(g, machine.View().Era(), n.self.Name); err != nil {
		return err
	}
	if err := n.dir.stillMember(n.self.Name); err != nil {
		return err
	}
	if n.roster, err = openRoster(n.dir.members(), n.self, g, n.config.Join); err != nil {
		return err
	}
	n.load = newFollowerLoad(n.config.RaftTimeout, n.roster.counts)
	if n.log, err = n.openLog(); err != nil {
		return err
	}
	if n.journal, err = journal.Open(n.dir.journal()); err != nil {
		return err
	}
	if n.replica, err = newReplica(g, n.journal, n.disk, n.cores); err != nil {
		return err
	}
	if n.measures, err = metrics.NewNode(n.config.Registry, peer.Reasons()); err != nil {
		return err
	}
	if n.market, err = metrics.NewMarket(n.config.Registry); err != nil {
		return err
	}
	if n.treasury, err = metrics.NewTreasury(n.config.Registry); err != nil {
		return err
	}
	n.auditor = &auditor{replica: n.replica, every: auditEvery, share: auditShare, told: n.booksAudited, fail: n.fail}
	n.replica.fail, n.replica.applied, n.replica.audited = n.fail, n.entryApplied, n.ledgerAudited
	n.replica.jumped = func(view *fsm.View) error {
		n.forwards.forget()
		return n.roster.learn(view)
	}
	n.replica.learned = n.roster.learn
	if err := n.openFinality(logKey); err != nil {
		return err
	}
	if err := n.openPort(); err != nil {
		return err
	}
	if n.consensus, err = n.newConsensus(); err != nil {
		return err
	}
	n.calls = newCalls(n.port)
	n.clocks = &committeeClock{
		self: n.self.Name, key: n.config.NodeKey, calls: n.calls, clock: n.config.Clock, alive: n.load.alive,
	}
	return n.config.Registry.Register(nodeCollector{n})
}

func (n *Node) openFinality(logKey ed25519.PrivateKey) error {
	g := n.config.Genesis
	signer, err := cosign.Open(n.dir.signed(), g.Origin(), g.CosignerName(n.self), n.config.CosignerKey)
	if err != nil {
		return err
	}
	published, err := cosign.OpenPublication(n.dir.checkpoint(), n.roster.policyAt)
	if err != nil {
		return err
	}
	evidence, err := cosign.OpenArchive(n.dir.evidence())
	if err != nil {
		return err
	}
	if evidence.Len() > 0 {
		// Found before a restart: people must have looked, and taken it away.
		n.alarms.raise(AlarmEvidence)
	}
	n.finality = &finality{
		origin: g.Origin(), roster: n.roster, logKey: logKey, signer: signer, published: published,
		replica: n.replica, clock: n.config.Clock, evidence: evidence, alarms: &n.alarms,
		fail: n.fail, log: n.config.Logger,
	}
	n.replica.witness = nodeWitness{n}
	return nil
}

func (n *Node) openPort() error {
	listener := n.config.PeerListener
	if listener == nil {
		address := n.config.PeerAddress
		if address == "" {
			address = n.self.PeerAddress
		}
		var err error
		if listener, err = net.Listen("tcp", address); err != nil {
			return fmt.Errorf("listen for peers: %w", err)
		}
	}
	port, err := peer.New(peer.Config{
		Cluster: n.config.Genesis.Cluster, Self: n.self.Name, Key: n.config.NodeKey, Members: n.roster.ports(),
		Listener: listener, Dial: n.config.dial, Refused: n.measures.PeerRefused, Logger: n.config.Logger,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	n.port = port
	n.roster.open(port)
	return nil
}

// closeStores closes what is open on disk.
func (n *Node) closeStores() error {
	var errs []error
	if n.port != nil {
		n.port.Close()
	}
	if n.journal != nil {
		errs = append(errs, n.journal.Close())
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	return errors.Join(errs...)
}

// Close releases a node that was never run.
func (n *Node) Close() error { return n.closeStores() }

// fail ends the process with the first fatal error.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

// entryApplied tells everybody of an entry. It runs on Raft's goroutine.
func (n *Node) entryApplied(a *applied) {
	r := a.result
	if a.entry != nil && len(a.entry.Statements) > 0 && !r.Refused {
		n.lastTick.Store(time.Now().UnixNano())
		n.hearTime(a)
	}
	for i := range r.Outcomes {
		n.answer(&r.Outcomes[i])
	}
	if r.Cut != nil {
		n.cutMade.Store(&madeCut{r.Cut.Number, time.Now()})
		n.finality.cut.fire()
	}
	if n.counts(a) {
		n.market.Count(r, a.entry, a.before)
		n.treasury.Count(r, a.took)
	}
}

// A madeCut is when the newest cut was applied here.
type madeCut struct {
	number uint64
	at     time.Time
}

// cutFinal measures how long a cut took to become final, on the node that led it.
func (n *Node) cutFinal(cut fsm.Cut) {
	if made := n.cutMade.Load(); made != nil && made.number == cut.Number {
		n.measures.CutFinal(time.Since(made.at))
	}
}

// ledgerAudited tells of a walk over the whole ledger, which goes with the digest of
// a frozen state.
func (n *Node) ledgerAudited(err error) {
	n.measures.Audited(err)
	if err != nil {
		n.alarms.raise(AlarmConservation)
		n.config.Logger.Error("the ledger does not balance", "err", err)
	}
}

// booksAudited tells of a comparison of the ledger with the receipts in the journal.
func (n *Node) booksAudited(err error) {
	n.measures.Audited(err)
	if err != nil && n.alarms.raise(AlarmBooks) {
		n.config.Logger.Error("receipts and ledger disagree; this node signs nothing any more", "err", err)
	}
}

// liveFor is how old an entry may be to count as news rather than as catching up.
const liveFor = time.Minute

// counts reports whether metrics count an entry: what was in the log when the
// process started was counted before, and what a node catches up with was counted
// by those who were there.
func (n *Node) counts(a *applied) bool {
	if a.index <= n.replayed.Load() || a.entry == nil {
		return false
	}
	// Replicated time, since the leader's own clock may say anything.
	return n.config.Clock().Sub(time.UnixMilli(a.result.Now)) < liveFor
}

// answer gives an outcome to those who wait for it. One whose command consumed
// nothing, as a repetition does not, gets the outcome that stands, if there is one.
func (n *Node) answer(o *fsm.Outcome) {
	n.settled(o)
	if !n.flights.waits(o.ID) {
		return
	}
	if o.Unconsumed {
		first, err := n.outcome(o.ID)
		if err != nil {
			n.fail(err)
			return
		}
		if first != nil {
			o = first
		}
	}
	n.flights.land(o.ID, Answer{ID: o.ID, Outcome: o})
}

// Name is this node's name in genesis.
func (n *Node) Name() string { return n.self.Name }

// Genesis is what the cluster started from.
func (n *Node) Genesis() *genesis.Signed { return n.config.Genesis }

// Self is this node's statement.
func (n *Node) Self() genesis.Node { return n.self }

// leader is the leader's name as far as this node knows it, or "".
func (n *Node) leader() string {
	r := n.raft.Load()
	if r == nil {
		return ""
	}
	_, id := r.LeaderWithID()
	return string(id)
}

// leading is the session that takes commands, or nil.
func (n *Node) leading() *session {
	s := n.session.Load()
	if s == nil || !s.open.Load() {
		return nil
	}
	return s
}
