package cluster

import (
	"io"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func newTCP(t *testing.T) *raft.NetworkTransport {
	t.Helper()
	tcp, err := raft.NewTCPTransport("127.0.0.1:0", nil, 2, patience, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	return tcp
}

// Sending goes on, and can therefore be stopped, when nobody reads the answers.
func TestPipelineWithoutReader(t *testing.T) {
	follower := newTCP(t)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case rpc := <-follower.Consumer():
				rpc.Respond(&raft.AppendEntriesResponse{Term: 9}, nil)
			case <-ended:
				return
			}
		}
	}()
	defer close(ended)
	leader := transport{newTCP(t)}
	p, err := leader.AppendEntriesPipeline("follower", follower.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		for range pipelineBuffer {
			if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 8}, new(raft.AppendEntriesResponse)); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	select {
	case err := <-sent:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the sender is stuck")
	}
	for range pipelineBuffer {
		select {
		case answer := <-p.Consumer():
			if answer.Response().Term != 9 {
				t.Fatalf("answer %+v", answer.Response())
			}
		case <-time.After(patience):
			t.Fatal("an answer is lost")
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// The library's lines keep level and facts.
func TestRaftLogger(t *testing.T) {
	var _ hclog.SinkAdapter = raftSink{}
	c := newCommittee(t)
	if logger := raftLogger(c.config(0).Logger); logger.IsInfo() || logger.IsError() {
		t.Error("a logger that takes nothing is given lines")
	}
}
