package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm"
)

// calls are what a node asks of its peers.
type calls struct{ client *http.Client }

func newCalls(port *peer.Port) *calls { return &calls{&http.Client{Transport: port.Transport()}} }

// A callError is an answer of a peer that is not the one hoped for.
type callError struct {
	status int
	text   string
}

func (e *callError) Error() string { return fmt.Sprintf("the peer answers %d: %s", e.status, e.text) }

// do makes one call. The caller closes the body.
func (c *calls) do(ctx context.Context, member, method, path string, query url.Values, body []byte) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: member, Path: path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("call %s of %s: %w", path, member, err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("call %s of %s: %w", path, member, err)
	}
	if response.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 512))
		_ = response.Body.Close()
		return nil, fmt.Errorf("call %s of %s: %w", path, member, &callError{response.StatusCode, strings.TrimSpace(string(text))})
	}
	return response, nil
}

// json makes a call whose answer is a small JSON document.
func (c *calls) json(ctx context.Context, member, method, path string, query url.Values, question, answer any) error {
	return c.document(ctx, member, method, path, query, question, answer, maxSmallBytes)
}

// document makes a call whose answer is a JSON document of at most so many bytes.
func (c *calls) document(ctx context.Context, member, method, path string, query url.Values, question, answer any, limit int64) error {
	var body []byte
	if question != nil {
		var err error
		if body, err = json.Marshal(question); err != nil {
			return fmt.Errorf("call %s of %s: %w", path, member, err)
		}
	}
	response, err := c.do(ctx, member, method, path, query, body)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(response.Body, limit)).Decode(answer); err != nil {
		return fmt.Errorf("call %s of %s: read the answer: %w", path, member, err)
	}
	return nil
}

func (c *calls) statement(ctx context.Context, member string, q statementRequest) (a statementAnswer, err error) {
	return a, c.json(ctx, member, http.MethodPost, pathStatement, nil, q, &a)
}

// cosignature waits at the peer, for up to wait, until it has signed size or more.
func (c *calls) cosignature(ctx context.Context, member string, size uint64, wait time.Duration) (a cosignatureAnswer, err error) {
	query := url.Values{"size": {number(size)}, "wait_ms": {strconv.FormatInt(wait.Milliseconds(), 10)}}
	return a, c.json(ctx, member, http.MethodGet, pathCosignature, query, nil, &a)
}

func (c *calls) pushCheckpoint(ctx context.Context, member string, note []byte) error {
	response, err := c.do(ctx, member, http.MethodPut, pathCheckpoint, nil, note)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (c *calls) status(ctx context.Context, member string) (s Status, err error) {
	return s, c.json(ctx, member, http.MethodGet, pathStatus, nil, nil, &s)
}

func (c *calls) members(ctx context.Context, member string) (f rosterFile, err error) {
	return f, c.document(ctx, member, http.MethodGet, pathMembers, nil, nil, &f, maxMembersBytes)
}

func (c *calls) readIndex(ctx context.Context, member string, linearizable bool) (uint64, error) {
	var a readIndexAnswer
	query := url.Values{"linearizable": {strconv.FormatBool(linearizable)}}
	err := c.json(ctx, member, http.MethodGet, pathReadIndex, query, nil, &a)
	return a.Entry, err
}

// continues asks for a proof that the journal's tree of size leaves continues that of
// old leaves.
func (c *calls) continues(ctx context.Context, member string, size, old uint64) (tlog.TreeProof, error) {
	var a continuesAnswer
	err := c.json(ctx, member, http.MethodGet, pathContinues, url.Values{"size": {number(size)}, "old": {number(old)}}, nil, &a)
	return a.Path, err
}

// submit hands commands to a leader.
func (c *calls) submit(ctx context.Context, member string, commands []*fsm.Command) ([]Answer, error) {
	var body bytes.Buffer
	for _, command := range commands {
		_ = writeRecord(&body, command.Frame()) // a buffer takes everything
	}
	response, err := c.do(ctx, member, http.MethodPost, pathSubmit, nil, body.Bytes())
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answers, err := readAnswers(bufio.NewReader(response.Body), commands)
	if err != nil {
		return nil, fmt.Errorf("call %s of %s: %w", pathSubmit, member, err)
	}
	return answers, nil
}

// leaves calls fn for each leaf from number from on, at most up to to, and returns
// how far the peer went.
func (c *calls) leaves(ctx context.Context, member string, from, to uint64, fn func(leaf []byte) error) (uint64, error) {
	return c.records(ctx, member, pathLeaves, from, to, fn)
}

// outcomes does for outcome records what leaves does for leaves.
func (c *calls) outcomes(ctx context.Context, member string, from, to uint64, fn func(record []byte) error) (uint64, error) {
	return c.records(ctx, member, pathOutcomes, from, to, fn)
}

func (c *calls) records(ctx context.Context, member, path string, from, to uint64, fn func([]byte) error) (uint64, error) {
	query := url.Values{"from": {number(from)}, "to": {number(to)}}
	response, err := c.do(ctx, member, http.MethodGet, path, query, nil)
	if err != nil {
		return from, err
	}
	defer func() { _ = response.Body.Close() }()
	in := bufio.NewReaderSize(response.Body, 1<<16)
	for at := from; at < to; at++ {
		record, err := readRecord(in)
		if errors.Is(err, io.EOF) {
			return at, nil
		}
		if err == nil {
			err = fn(record)
		}
		if err != nil {
			return at, fmt.Errorf("call %s of %s: record %d: %w", path, member, at, err)
		}
	}
	return to, nil
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
