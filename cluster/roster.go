package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// A roster is who the nodes of the cluster are, as the newest state that this node
// ever applied says. It lies in a file, because a node that starts needs its peers
// before it has replayed its log, and because the checkpoint that it published last
// is judged by the committee of that time.
//
// A node that joins has no state yet and starts with what a peer tells it, since it must
// know whom to talk to. That is believed no longer than necessary: the first state of its
// own in which the node itself is a member replaces it, whatever number the peer gave.
//
// The peer port is open to members that join or count, and to those that Raft's
// configuration still names, so that a replaced node can be led out in order.
type roster struct {
	self    string
	path    string
	genesis *genesis.Signed
	changed signal // fires when a member or Raft's configuration has changed

	mu      sync.Mutex
	entry   uint64       // number of the entry after which the state said so
	members []fsm.Member // by seat
	told    bool         // a peer says so, and no state of this node's own yet
	servers []string     // whom Raft's configuration names
	// contacts are whom a node that joins may talk to until it has learned who the
	// members are, itself among them.
	contacts []genesis.Node
	port     *peer.Port // nil until it is open
}

// rosterFile is the content of members.json, and what peers are told.
type rosterFile struct {
	Entry   uint64       `json:"entry,string"`
	Members []fsm.Member `json:"members"`
	Told    bool         `json:"told,omitempty"` // on disk only: see roster
}

// keptRoster is a rosterFile on disk, with the SHA-256 of its JSON: a flipped bit must
// not make another committee, or keep the node from learning of a newer one.
type keptRoster struct {
	rosterFile
	Sum string `json:"sum"`
}

func (f rosterFile) kept() ([]byte, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	data, err = json.MarshalIndent(keptRoster{f, hex.EncodeToString(sum[:])}, "", "  ")
	return append(data, '\n'), err
}

// parseRoster accepts exactly what kept writes.
func parseRoster(data []byte) (rosterFile, error) {
	var file keptRoster
	if err := json.Unmarshal(data, &file); err != nil {
		return rosterFile{}, err
	}
	if again, err := file.kept(); err != nil || !bytes.Equal(again, data) {
		return rosterFile{}, errors.Join(errors.New("its checksum is wrong"), err)
	}
	return file.rosterFile, nil
}

// openRoster reads the file that an earlier run left. Without one the committee is
// that of genesis.
func openRoster(path string, self genesis.Node, g *genesis.Signed, join *Join) (*roster, error) {
	r := &roster{self: self.Name, path: path, genesis: g}
	if join != nil {
		r.contacts = append([]genesis.Node{self}, join.Peers...)
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		for seat, n := range g.Nodes {
			r.members = append(r.members, fsm.Member{Seat: uint8(seat), Node: n, Until: fsm.NoEnd})
		}
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read who the members are: %w", err)
	}
	file, err := parseRoster(data)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; %s", path, err, wayBack)
	}
	r.entry, r.members, r.told = file.Entry, file.Members, file.Told
	return r, nil
}

// learn takes over what a state says of the members, unless an earlier run knew a
// newer one: a node that replays its log passes its past again. It is durable when
// learn returns, so that nothing which is judged by it outlives it.
func (r *roster) learn(view *fsm.View) error {
	return r.take(rosterFile{Entry: view.Number(), Members: view.Members()})
}

// hear takes over what a peer says of the members, for a node that has no state.
func (r *roster) hear(said rosterFile) error {
	said.Told = true
	return r.take(said)
}

// hearsay reports whether a peer has told who the members are, and no state of this
// node's own has confirmed it.
func (r *roster) hearsay() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told
}

// take makes members the newest that this node knows of. They are the caller's no
// longer.
func (r *roster) take(next rosterFile) error {
	for i := range next.Members {
		next.Members[i].SealedLogKey = nil // a matter between the state and its owner
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.outdated(next) {
		return nil
	}
	data, err := next.kept()
	if err == nil {
		err = cosign.WriteFile(r.path, data)
	}
	if err != nil {
		return fmt.Errorf("keep who the members are: %w", err)
	}
	r.entry, r.members, r.told = next.Entry, next.Members, next.Told
	r.admit()
	return nil
}

// outdated reports whether next takes the place of what the roster holds. What a peer
// has told says nothing of how old a state is: it stands until this node's own log has
// come to where the node was let in, because the members before may all be gone, and
// another peer may correct it. While a node joins, nobody else's change takes effect, so
// that the state which lets it in is not behind. The lock is held.
func (r *roster) outdated(next rosterFile) bool {
	if r.told {
		return next.Told || slices.ContainsFunc(next.Members, func(m fsm.Member) bool { return m.Name == r.self })
	}
	return next.Entry >= r.entry && !slices.Equal(r.members, next.Members)
}

// follow takes over Raft's configuration.
func (r *roster) follow(configuration raft.Configuration) {
	var servers []string
	for _, s := range configuration.Servers {
		servers = append(servers, string(s.ID))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.servers, servers) {
		r.servers = servers
		r.admit()
	}
}

// open hands the roster the port that is to follow it.
func (r *roster) open(port *peer.Port) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.port = port
}

// admit tells the port and everybody else. The lock is held.
func (r *roster) admit() {
	if r.port != nil {
		before := r.port.Members()
		now := r.admitted()
		r.port.SetMembers(now)
		for _, m := range before {
			if !m.Former && !slices.ContainsFunc(now, func(n peer.Member) bool { return n.Name == m.Name && !n.Former }) {
				r.port.Disconnect(m.Name)
			}
		}
	}
	r.changed.fire()
}

// admitted are those that may use the peer port. This node is always among them;
// former members may ask what became of them. The lock is held.
func (r *roster) admitted() []peer.Member {
	var out []peer.Member
	for _, m := range r.members {
		out = append(out, peer.Member{
			Name: m.Name, Key: m.NodeKey, Address: m.PeerAddress,
			Former: m.Standing() == fsm.Retired && m.Name != r.self && !slices.Contains(r.servers, m.Name),
		})
	}
	for _, n := range r.contacts {
		if !slices.ContainsFunc(out, func(m peer.Member) bool { return m.Name == n.Name }) {
			out = append(out, peer.Member{Name: n.Name, Key: n.NodeKey, Address: n.PeerAddress, Former: r.entry > 0 && n.Name != r.self})
		}
	}
	return out
}

// ports is admitted, for whoever opens the port.
func (r *roster) ports() []peer.Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admitted()
}

// peers are the other nodes that this one talks to.
func (r *roster) peers() []string {
	var names []string
	for _, m := range r.ports() {
		if m.Name != r.self && !m.Former {
			names = append(names, m.Name)
		}
	}
	return names
}

// present reports whether a node may do more than ask what became of it.
func (r *roster) present(name string) bool {
	return slices.ContainsFunc(r.ports(), func(m peer.Member) bool { return m.Name == name && !m.Former })
}

// file is what the roster holds, as it is kept and told to peers.
func (r *roster) file() rosterFile {
	r.mu.Lock()
	defer r.mu.Unlock()
	return rosterFile{Entry: r.entry, Members: r.members}
}

// all lists everybody who ever had a seat, by seat.
func (r *roster) all() []fsm.Member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members
}

// member finds a member by name.
func (r *roster) member(name string) (fsm.Member, bool) {
	for _, m := range r.all() {
		if m.Name == name {
			return m, true
		}
	}
	return fsm.Member{}, false
}

// seen reports whether the log holds something that the node has signed. What was
// true once stays true.
func (r *roster) seen(name string) bool {
	m, known := r.member(name)
	return known && m.Seen
}

// counts reports whether a node has a say.
func (r *roster) counts(name string) bool {
	m, known := r.member(name)
	return known && m.Standing() == fsm.Active
}

// cosigners are the members that count at a journal size, by seat.
func (r *roster) cosigners(size uint64) []fsm.Member {
	var out []fsm.Member
	for _, m := range r.all() {
		if m.CountsAt(size) {
			out = append(out, m)
		}
	}
	return out
}

// joining are the members that catch up, by seat.
func (r *roster) joining() []fsm.Member {
	var out []fsm.Member
	for _, m := range r.all() {
		if m.Standing() == fsm.Joining {
			out = append(out, m)
		}
	}
	return out
}

// policyAt is what a checkpoint of that size is judged by.
func (r *roster) policyAt(size uint64) proof.Policy {
	var nodes []genesis.Node
	for _, m := range r.cosigners(size) {
		nodes = append(nodes, m.Node)
	}
	return r.genesis.PolicyOf(nodes)
}

// attend runs f for every peer for as long as it is one, until ctx ends.
func (r *roster) attend(ctx context.Context, f func(ctx context.Context, peer string)) {
	var wait sync.WaitGroup
	defer wait.Wait()
	attended := map[string]context.CancelFunc{}
	defer func() {
		for _, cancel := range attended {
			cancel()
		}
	}()
	for {
		changed := r.changed.next()
		peers := r.peers()
		for name, cancel := range attended {
			if !slices.Contains(peers, name) {
				cancel()
				delete(attended, name)
			}
		}
		for _, name := range peers {
			if attended[name] != nil {
				continue
			}
			attending, cancel := context.WithCancel(ctx)
			attended[name] = cancel
			wait.Add(1)
			go func() {
				defer wait.Done()
				f(attending, name)
			}()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}
