package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm"
)

// statusNotLeader answers a call that only a leader can answer.
const statusNotLeader = http.StatusMisdirectedRequest

// maxPoll bounds how long a peer may wait for this node's cosignature.
const maxPoll = 5 * time.Second

// peerHandler answers the calls of peers, who have proved who they are before any
// byte of a request is read.
func (n *Node) peerHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, limit int64, serve func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			if caller := peer.Caller(r.Context()); path != pathMembers && !n.roster.present(caller) {
				http.Error(w, "node "+caller+" is no member any more", http.StatusForbidden)
				return
			}
			if n.raft.Load() == nil && path != pathStart && path != pathMembers && path != pathStatus {
				http.Error(w, "this node does not take part yet", http.StatusServiceUnavailable)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, limit)
			if err := serve(w, r); err != nil {
				status, text := http.StatusBadRequest, err.Error()
				if refused, ok := errors.AsType[*callError](err); ok {
					status, text = refused.status, refused.text
				}
				n.config.Logger.Debug("refused a peer's call", "peer", peer.Caller(r.Context()), "path", path, "err", err)
				http.Error(w, text, status)
			}
		})
	}
	handle(http.MethodPost, pathStatement, maxSmallBytes, n.serveStatement)
	handle(http.MethodGet, pathCosignature, 0, n.serveCosignature)
	handle(http.MethodPut, pathCheckpoint, maxNoteBytes, n.serveCheckpoint)
	handle(http.MethodPost, pathSubmit, maxSubmitBytes+4*maxSubmit, n.serveSubmit)
	handle(http.MethodGet, pathStatus, 0, n.serveStatus)
	handle(http.MethodGet, pathReadIndex, 0, n.serveReadIndex)
	handle(http.MethodGet, pathLeaves, 0, n.serveLeaves)
	handle(http.MethodGet, pathOutcomes, 0, n.serveOutcomes)
	handle(http.MethodGet, pathContinues, 0, n.serveContinues)
	handle(http.MethodGet, pathMembers, 0, n.serveMembers)
	handle(http.MethodPost, pathStart, maxSmallBytes, n.serveStart)
	return mux
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

func (n *Node) serveStatement(w http.ResponseWriter, r *http.Request) error {
	var q statementRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	a, err := n.clocks.answer(n.View(), q)
	if err != nil {
		return err
	}
	return writeJSON(w, a)
}

func (n *Node) serveCosignature(w http.ResponseWriter, r *http.Request) error {
	size, err := strconv.ParseUint(r.FormValue("size"), 10, 64)
	if err != nil {
		return fmt.Errorf("size: %w", err)
	}
	ms, err := strconv.ParseUint(r.FormValue("wait_ms"), 10, 16)
	if err != nil {
		return fmt.Errorf("wait_ms: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), min(time.Duration(ms)*time.Millisecond, maxPoll))
	defer cancel()
	o, err := n.finality.waitOwn(ctx, size)
	if err != nil {
		return &callError{http.StatusNotFound, "not signed yet"}
	}
	return writeJSON(w, cosignatureAnswer{
		Size: o.checkpoint.Size, Root: o.checkpoint.Root[:], Line: o.cosignature.Line(),
	})
}

// serveCheckpoint takes a note that a leader has assembled. The policy decides
// whether it counts, not the sender.
func (n *Node) serveCheckpoint(w http.ResponseWriter, r *http.Request) error {
	note, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the note: %w", err)
	}
	n.finality.inspect(note)
	published, err := n.finality.judge(note)
	if err != nil {
		return err
	}
	if err := n.finality.offer(published); err != nil {
		n.fail(err)
		return &callError{http.StatusInternalServerError, "the checkpoint cannot be published here"}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (n *Node) serveMembers(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, n.roster.file())
}

// serveSubmit takes commands that another node forwards.
func (n *Node) serveSubmit(w http.ResponseWriter, r *http.Request) error {
	s := n.leading()
	if s == nil || n.draining.Load() {
		return &callError{statusNotLeader, "this node takes no commands now"}
	}
	commands, err := readCommands(bufio.NewReader(r.Body))
	if err != nil {
		return err
	}
	answers := n.submitHere(r.Context(), s, commands)
	out := bufio.NewWriter(w)
	if err := writeAnswers(out, answers); err != nil {
		return err
	}
	return out.Flush()
}

func readCommands(in io.Reader) ([]*fsm.Command, error) {
	var commands []*fsm.Command
	for {
		frame, err := readRecord(in)
		if errors.Is(err, io.EOF) {
			return commands, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read command %d: %w", len(commands)+1, err)
		}
		if len(commands) == maxSubmit {
			return nil, fmt.Errorf("more than %d commands", maxSubmit)
		}
		c, err := fsm.ParseFrame(frame)
		if err != nil {
			return nil, fmt.Errorf("command %d: %w", len(commands)+1, err)
		}
		commands = append(commands, c)
	}
}

func (n *Node) serveStatus(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, n.ownStatus())
}

func (n *Node) serveReadIndex(w http.ResponseWriter, r *http.Request) error {
	linearizable, err := strconv.ParseBool(r.FormValue("linearizable"))
	if err != nil {
		return fmt.Errorf("linearizable: %w", err)
	}
	s := n.leading()
	if s == nil {
		return &callError{statusNotLeader, "this node does not lead"}
	}
	entry, err := s.readIndex(r.Context(), linearizable)
	if err != nil {
		return &callError{http.StatusServiceUnavailable, err.Error()}
	}
	return writeJSON(w, readIndexAnswer{entry})
}

func (n *Node) serveLeaves(w http.ResponseWriter, r *http.Request) error {
	return serveRange(w, r, n.journal.Size(), n.journal.Leaves)
}

func (n *Node) serveOutcomes(w http.ResponseWriter, r *http.Request) error {
	return serveRange(w, r, n.journal.OutcomeCount(), n.journal.Outcomes)
}

func (n *Node) serveContinues(w http.ResponseWriter, r *http.Request) error {
	size, err := strconv.ParseUint(r.FormValue("size"), 10, 64)
	if err != nil {
		return fmt.Errorf("size: %w", err)
	}
	old, err := strconv.ParseUint(r.FormValue("old"), 10, 64)
	if err != nil {
		return fmt.Errorf("old: %w", err)
	}
	path, err := n.journal.ProveTree(size, old)
	if err != nil {
		return err
	}
	return writeJSON(w, continuesAnswer{path})
}

// errEnough ends a walk over records whose answer is full.
var errEnough = errors.New("enough")

// serveRange writes records [from, to) as far as they exist and fit into an answer.
func serveRange(w http.ResponseWriter, r *http.Request, count uint64, each func(from, to uint64, fn func(uint64, []byte) error) error) error {
	from, err := strconv.ParseUint(r.FormValue("from"), 10, 64)
	if err != nil {
		return fmt.Errorf("from: %w", err)
	}
	to, err := strconv.ParseUint(r.FormValue("to"), 10, 64)
	if err != nil {
		return fmt.Errorf("to: %w", err)
	}
	if to = min(to, count); from >= to {
		return nil
	}
	out, written := bufio.NewWriterSize(w, 1<<16), 0
	err = each(from, to, func(_ uint64, record []byte) error {
		if written >= maxRangeBytes {
			return errEnough
		}
		written += len(record)
		return writeRecord(out, record)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return out.Flush()
}
