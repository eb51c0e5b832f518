package transport

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/cluster"
	"github.com/tallyvault/tallyvault/cluster/diskspace"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

func (d *Door) nodeRoutes() {
	public(d, huma.Operation{
		OperationID: "nodes", Path: "/v1/nodes", Tags: []string{"cluster"},
		Summary:     "The committee, with the signed pins of the answering node's TLS key",
		Description: "Each node vouches for its own TLS key only, so ask every node that you talk to.",
	}, d.nodes)
	read(d, huma.Operation{
		OperationID: "status", Path: "/v1/status", Tags: []string{"cluster"}, Summary: "How the answering node is doing",
	}, d.status)
	digest := huma.Operation{
		OperationID: "digest", Method: http.MethodGet, Path: "/v1/digest", Tags: []string{"cluster"}, Security: security,
		Summary:     "The digest of the answering node's live state",
		Description: "Nodes that have applied the same entry must answer the same.",
	}
	huma.Register(d.api, digest, d.digest)
}

// nothing is the input of a route without parameters.
type nothing struct{}

func (d *Door) nodes(_ context.Context, _ *nothing) (api.Nodes, error) {
	s := d.now()
	status := d.config.Node.Status()
	g := s.Genesis()
	out := api.Nodes{
		Facts: s.facts(), Cluster: d.cluster, Cosigners: g.Cosigners, Faulty: g.Faulty, Nodes: []api.Node{},
	}
	for _, n := range s.Members() {
		row := api.Node{
			Node: n.Name, Seat: n.Seat, Standing: n.Standing(), NodeKey: hex.EncodeToString(n.NodeKey[:]), CosignerKey: hex.EncodeToString(n.CosignerKey[:]),
			APIAddress: n.APIAddress, PeerAddress: n.PeerAddress, Leader: n.Name == status.Leader,
		}
		if n.Name == d.config.Node.Name() {
			row.This, row.Pins = true, d.identity.current().pins
		}
		out.Nodes = append(out.Nodes, row)
	}
	return out, nil
}

// localInput is the input of a read about the answering node itself, which is
// as fresh as it can be.
type localInput struct {
	Credentials
	MinIndex uint64 `query:"min_index" doc:"wait until this entry is applied here"`
}

func (in *localInput) freshness() Freshness {
	return Freshness{Consistency: "stale", MinIndex: in.MinIndex}
}

func (d *Door) status(s state, _ Reader, _ *localInput) (api.Status, error) {
	node := d.config.Node.Status()
	out := api.Status{
		Facts: s.facts(), Node: d.config.Node.Name(), Cluster: d.cluster, Era: s.Era(), Version: d.config.Version,
		Role: node.Role, Leader: node.Leader, Ready: true, Reasons: []string{},
		Height: api.Uint64(s.Height()), Epoch: api.Uint64(s.Epoch()), Now: s.Now(),
		TreeSize: api.Uint64(s.TreeSize()), FinalSize: api.Uint64(s.finalSize), Lag: api.Uint64(node.Lag),
		Alarms: append(append([]string{}, node.Alarms...), node.LocalAlarms...), Peers: []api.Peer{},
		Cosigners: d.config.Node.Cosigners(), CosignersNeeded: s.K(), CheckpointAt: d.config.Node.CheckpointAt(),
		Clock: d.config.Node.Clock().UnixMilli(), StartedAt: d.started.UnixMilli(), Disk: d.disk(),
	}
	for _, m := range s.Members() {
		if m.Standing() == fsm.Active {
			out.Nodes++
		}
	}
	if err := d.config.Node.Ready(); err != nil {
		out.Ready, out.Reasons = false, reasonsOf(err)
	}
	if len(out.Cosigners) == 0 {
		out.Cosigners = []string{}
	}
	for _, p := range node.Peers {
		out.Peers = append(out.Peers, api.Peer{
			Node: p.Name, Seen: p.Seen, AgoMs: p.Ago.Milliseconds(), Role: p.Status.Role,
			Index: api.Uint64(p.Status.Entry), FinalSize: api.Uint64(p.Status.FinalSize),
		})
	}
	return out, nil
}

// disk asks for the room left, nil where the system does not say. It may hang with the
// disk, and then this request with it.
func (d *Door) disk() *api.Disk {
	space, err := diskspace.Of(d.config.Dir)
	if err != nil || space.Total == 0 {
		return nil
	}
	return &api.Disk{FileSystem: space.FileSystem, Free: api.Uint64(space.Free), Total: api.Uint64(space.Total)}
}

func reasonsOf(err error) []string {
	if notReady, ok := errors.AsType[*cluster.NotReady](err); ok {
		return notReady.Reasons
	}
	return []string{err.Error()}
}

// digest is no plain read: the node computes it and says which entry it is of.
func (d *Door) digest(ctx context.Context, in *localInput) (*answer[api.Digest], error) {
	d.metrics.calls.WithLabelValues("digest", anyMarket).Inc()
	if _, err := d.reader(in.credentials()); err != nil {
		return nil, d.worded(err)
	}
	s, err := d.state(ctx, in.freshness())
	if err != nil {
		return nil, d.worded(err)
	}
	readings, settlements := s.Oracle().Open()
	if err := d.walk(in.address, readings+settlements); err != nil {
		return nil, d.worded(err)
	}
	entry, sum, err := d.config.Node.Digest(ctx)
	if err != nil {
		return nil, d.worded(err)
	}
	return &answer[api.Digest]{
		Index: decimal(entry), Body: api.Digest{Index: api.Uint64(entry), Digest: hex.EncodeToString(sum[:])},
	}, nil
}
