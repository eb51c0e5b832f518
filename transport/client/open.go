package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// documentSilence is how long a node may be silent while it sends a document: it may
// have to wait for the caller's budget.
const documentSilence = time.Minute

// Open reads a document of any length as it comes. It asks one node after the other
// until one answers or ctx ends; a node's no is a *Refused. A document that is cut off
// ends with an error that is not io.EOF, and is asked for again by nobody. The caller
// closes it.
func (c *Client) Open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	nodes := c.order()
	for round, at := 0, 0; ; at++ {
		node := nodes[at%len(nodes)]
		d, err := c.openDocument(ctx, node, path)
		if err == nil {
			c.answered(node)
			return d, nil
		}
		var refusal *Refused
		if errors.As(err, &refusal) && refusal.Status < 500 && refusal.Code != codeRateLimited {
			return nil, err
		}
		if errors.Is(err, errSameNode) {
			at--
		}
		// Going round, every node is asked before there is a pause.
		if round++; ctx.Err() != nil || round%len(nodes) == 0 && (c.config.OneRound || !pause(ctx, round/len(nodes), 0)) {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
}

// document is one that is on its way.
type document struct {
	body    io.ReadCloser
	silence *time.Timer
	ctx     context.Context // of its request alone
	cancel  context.CancelCauseFunc
}

func (c *Client) openDocument(ctx context.Context, node *endpoint, path string) (*document, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &document{ctx: ctx, cancel: cancel}
	d.silence = time.AfterFunc(documentSilence, func() { cancel(errors.New("the node is silent")) })
	response, err := c.open(ctx, node, path) //nolint:bodyclose // Close does
	if err != nil {
		d.silence.Stop()
		cancel(nil)
		return nil, err
	}
	d.body = response.Body
	return d, nil
}

// Read implements io.Reader.
func (d *document) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	d.silence.Reset(documentSilence)
	if err != nil && !errors.Is(err, io.EOF) {
		err = errors.Join(err, context.Cause(d.ctx))
	}
	return n, err
}

// Close implements io.Closer.
func (d *document) Close() error {
	d.silence.Stop()
	d.cancel(nil)
	return d.body.Close()
}

// errSameNode says that the node is well and only wants a new token.
var errSameNode = errors.New("a new token is wanted")

// open asks a node for what is read as it comes; any other answer than that is an error.
func (c *Client) open(ctx context.Context, node *endpoint, path string) (*http.Response, error) {
	if err := node.ensure(ctx); err != nil {
		return nil, err
	}
	response, err := c.begin(ctx, node, path)
	if errors.Is(err, errPin) {
		if err = node.learn(ctx); err == nil {
			response, err = c.begin(ctx, node, path)
		}
	}
	return response, err
}

func (c *Client) begin(ctx context.Context, node *endpoint, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, node.base+path, nil)
	if err != nil {
		return nil, err
	}
	if err := c.authorize(request); err != nil {
		return nil, err
	}
	response, err := node.client.Do(request)
	if err != nil || response.StatusCode == http.StatusOK {
		return response, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxNodesBody))
	if err != nil {
		return nil, err
	}
	p, err := problemIn(response, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node.base, err)
	}
	if c.hear(p) {
		return nil, errSameNode
	}
	return nil, refused(p)
}
