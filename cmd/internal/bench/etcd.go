package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdTurns is in how many blocks a run beside etcd is parted at least, so that
// what else the machine does falls on both.
const etcdTurns = 5

// clientsPerConnection share one connection to etcd, which is more than its own
// benchmark puts on one.
const clientsPerConnection = 8

// etcdWithin is how long an etcd cluster may take to say who leads it.
const etcdWithin = 5 * time.Second

// Etcd is what an etcd cluster did with puts of the same bytes, in turns with the
// readings. A put counts when it was answered; etcd's followers are not waited for.
type Etcd struct {
	Version  string  `json:"version"`
	Members  int     `json:"members"`
	Seconds  float64 `json:"seconds"`
	Puts     int     `json:"puts"`
	PutsPerS float64 `json:"puts_per_s"`
	P50Ms    float64 `json:"p50_ms"`
	P99Ms    float64 `json:"p99_ms"`
	PutBytes float64 `json:"bytes_per_put"` // of the value
	Turns    []Turn  `json:"turns"`
}

// Turn is one block of readings and the block of puts after it.
type Turn struct {
	Readings     int     `json:"readings"`
	ReadingsPerS float64 `json:"readings_per_s"`
	PutsPerS     float64 `json:"puts_per_s"`
}

// An etcd drives puts at an etcd cluster's leader, as the readings go to ours.
type etcd struct {
	mark        string // begins the keys of this run
	connections []*clientv3.Client
	elapsed     time.Duration
	latency     histogram
	bytes       int
	result      Etcd
}

// dialEtcd finds the leader of the cluster that these URLs belong to.
func dialEtcd(ctx context.Context, urls []string, mark string, clients int) (*etcd, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdWithin)
	defer cancel()
	config := clientv3.Config{Endpoints: urls, DialTimeout: etcdWithin, Logger: zap.NewNop()}
	first, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("etcd at %v: %w", urls, err)
	}
	defer first.Close() //nolint:errcheck // it has only asked
	status, err := first.Status(ctx, urls[0])
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("nobody answers there: %w", err)
		}
		return nil, fmt.Errorf("asking etcd at %s: %w", urls[0], err)
	}
	list, err := first.MemberList(ctx)
	if err != nil {
		return nil, fmt.Errorf("asking etcd at %s for its members: %w", urls[0], err)
	}
	for _, m := range list.Members {
		if m.ID == status.Leader {
			config.Endpoints = m.ClientURLs
		}
	}
	e := &etcd{mark: mark, result: Etcd{Version: status.Version, Members: len(list.Members)}}
	for range (clients + clientsPerConnection - 1) / clientsPerConnection {
		c, err := clientv3.New(config)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("etcd's leader at %v: %w", config.Endpoints, err), e.close())
		}
		e.connections = append(e.connections, c)
	}
	return e, nil
}

func (e *etcd) close() error {
	var errs []error
	for _, c := range e.connections {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// turn puts what the readings' clients have just sent: a request of one reading as
// a put, one of several as a transaction of as many puts.
func (e *etcd) turn(ctx context.Context, sent [][]request) error {
	began := time.Now()
	parts, errs := make([]histogram, len(sent)), make([]error, len(sent))
	var clients sync.WaitGroup
	for i, mine := range sent {
		clients.Go(func() {
			errs[i] = e.client(ctx, e.connections[i/clientsPerConnection], i, mine, &parts[i])
		})
	}
	clients.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("putting to etcd: %w", err)
	}
	puts := 0
	for i, mine := range sent {
		e.latency.add(&parts[i])
		for _, r := range mine {
			puts += r.n
			e.bytes += len(r.body) - r.n // without the newlines
		}
	}
	e.elapsed += took
	e.result.Puts += puts
	e.result.Turns = append(e.result.Turns, Turn{PutsPerS: float64(puts) / took.Seconds()})
	return nil
}

func (e *etcd) client(ctx context.Context, to *clientv3.Client, number int, requests []request, latency *histogram) error {
	for i, r := range requests {
		ops := make([]clientv3.Op, 0, r.n)
		for value := range bytes.Lines(r.body) {
			// Keys are never put twice, as a reading is never accepted twice.
			key := fmt.Sprintf("%s/%d/%d/%d/%d", e.mark, len(e.result.Turns), number, i, len(ops))
			ops = append(ops, clientv3.OpPut(key, string(bytes.TrimSuffix(value, []byte("\n")))))
		}
		asked, cancel := context.WithTimeout(ctx, answerWithin)
		began := time.Now()
		var err error
		if len(ops) == 1 {
			_, err = to.Do(asked, ops[0])
		} else {
			_, err = to.Txn(asked).Then(ops...).Commit()
		}
		cancel()
		if err != nil {
			return err
		}
		latency.record(time.Since(began))
	}
	return nil
}

// summary completes what was measured.
func (e *etcd) summary() *Etcd {
	s := e.result
	s.Turns = slices.Clone(s.Turns)
	s.Seconds = e.elapsed.Round(time.Millisecond).Seconds()
	s.PutsPerS = float64(s.Puts) / e.elapsed.Seconds()
	s.PutBytes = float64(e.bytes) / float64(max(s.Puts, 1))
	s.P50Ms, s.P99Ms = milliseconds(e.latency.quantile(50)), milliseconds(e.latency.quantile(99))
	return &s
}
