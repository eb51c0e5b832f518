package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// pipelineBuffer is how many answered messages may wait for Raft to look at them.
const pipelineBuffer = 64

// A pipeline takes answers off the library's pipeline at once, whether or not Raft
// is waiting for them.
//
// Raft stops reading answers when one of them says no: the follower has a newer
// term, or the connection broke. If it is sending the next message just then, the
// library's own pipeline never lets it go: that waits to hand over an answer before
// it takes another message, and the goroutine that would take the answer is gone.
// Replication to the follower would stand still while its heartbeats go on, and
// stopping the node would wait for ever. With the answers taken off, the send
// returns and Raft sees that its reader has ended.
type pipeline struct {
	raft.AppendPipeline
	answers chan raft.AppendFuture
	closed  chan struct{}
	once    sync.Once
}

// AppendEntriesPipeline implements raft.Transport.
func (t transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	p := &pipeline{AppendPipeline: inner, answers: make(chan raft.AppendFuture, pipelineBuffer), closed: make(chan struct{})}
	go p.take()
	return p, nil
}

// take ends with Close, which Raft calls when it is done with the pipeline.
func (p *pipeline) take() {
	from := p.AppendPipeline.Consumer()
	for {
		select {
		case <-p.closed:
			return
		case answer := <-from:
			select {
			case <-p.closed:
				return
			case p.answers <- answer:
			}
		}
	}
}

// Consumer implements raft.AppendPipeline.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.answers }

// Close implements raft.AppendPipeline.
func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.AppendPipeline.Close()
}
