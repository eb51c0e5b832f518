package bench

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// keyValue speaks as much of etcd's protocol as puts take, over real connections.
// It keeps what it was given.
type keyValue struct {
	pb.UnimplementedKVServer
	pb.UnimplementedClusterServer
	pb.UnimplementedMaintenanceServer

	id     uint64
	leader uint64
	urls   map[uint64]string
	most   int // operations in a transaction

	mu   sync.Mutex
	held map[string]string
	txns []int
}

func (s *keyValue) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{MemberId: s.id}, Leader: s.leader, Version: "3.6.0"}, nil
}

func (s *keyValue) MemberList(context.Context, *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	list := &pb.MemberListResponse{}
	for id, url := range s.urls {
		list.Members = append(list.Members, &pb.Member{ID: id, ClientURLs: []string{url}})
	}
	return list, nil
}

func (s *keyValue) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.held[string(r.Key)]; twice {
		return nil, status.Errorf(codes.AlreadyExists, "%s was put before", r.Key)
	}
	s.held[string(r.Key)] = string(r.Value)
	return &pb.PutResponse{Header: &pb.ResponseHeader{}}, nil
}

func (s *keyValue) Txn(ctx context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	if len(r.Success) > s.most {
		return nil, status.Error(codes.InvalidArgument, "etcdserver: too many operations in txn request")
	}
	for _, op := range r.Success {
		if _, err := s.Put(ctx, op.GetRequestPut()); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.txns = append(s.txns, len(r.Success))
	return &pb.TxnResponse{Header: &pb.ResponseHeader{}, Succeeded: true}, nil
}

// keyValues runs a follower and a leader, and returns them in this order.
func keyValues(t *testing.T) [2]*keyValue {
	t.Helper()
	var members [2]*keyValue
	urls := map[uint64]string{}
	for i := range members {
		members[i] = &keyValue{id: uint64(i + 1), leader: 2, urls: urls, most: 4, held: map[string]string{}}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		urls[members[i].id] = "http://" + listener.Addr().String()
		server := grpc.NewServer()
		pb.RegisterKVServer(server, members[i])
		pb.RegisterClusterServer(server, members[i])
		pb.RegisterMaintenanceServer(server, members[i])
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(listener) }()
		t.Cleanup(func() {
			server.Stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	return members
}

// loads are requests of so many clients, each with n values.
func loads(clients, requests, n int) [][]request {
	out := make([][]request, clients)
	for c := range out {
		for r := range requests {
			var body strings.Builder
			for i := range n {
				fmt.Fprintf(&body, "reading %d %d %d\n", c, r, i)
			}
			out[c] = append(out[c], request{body: []byte(body.String()), n: n})
		}
	}
	return out
}

func TestPutsGoToEtcdsLeader(t *testing.T) {
	for _, n := range []int{1, 4} {
		members := keyValues(t)
		const clients = clientsPerConnection + 1
		e, err := dialEtcd(t.Context(), []string{members[0].urls[1]}, "run", clients)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the same values, under other keys
			if err := e.turn(t.Context(), loads(clients, 3, n)); err != nil {
				t.Fatal(err)
			}
		}
		s := e.summary()
		if err := e.close(); err != nil {
			t.Error(err)
		}
		if want := 2 * clients * 3 * n; s.Puts != want || len(members[1].held) != want || len(members[0].held) != 0 {
			t.Errorf("%d puts counted, the leader has %d, the other one %d; want %d", s.Puts, len(members[1].held), len(members[0].held), want)
		}
		values := map[string]int{}
		for _, value := range members[1].held {
			values[value]++
		}
		if values["reading 8 2 0"] != 2 || s.PutBytes != float64(len("reading 8 2 0")) {
			t.Errorf("%d bytes a value, values %v", int(s.PutBytes), values)
		}
		if want := 2 * clients * 3; n > 1 && len(members[1].txns) != want || n == 1 && len(members[1].txns) != 0 {
			t.Errorf("%d transactions of %d", len(members[1].txns), n)
		}
		if s.Members != 2 || s.Version != "3.6.0" || len(s.Turns) != 2 || s.PutsPerS <= 0 || s.P99Ms <= 0 || int(e.latency.total) != 2*clients*3 {
			t.Errorf("%+v", s)
		}
	}
}

func TestNoEtcd(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := dialEtcd(ctx, []string{url}, "run", 1); err == nil || !strings.Contains(err.Error(), url+": nobody answers there") {
		t.Errorf("no etcd: %v", err)
	}
}

func TestEtcdRefuses(t *testing.T) {
	members := keyValues(t)
	e, err := dialEtcd(t.Context(), []string{members[0].urls[1]}, "run", 1)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close() //nolint:errcheck // nothing is left to be sent
	if err := e.turn(t.Context(), loads(1, 1, 5)); err == nil || !strings.Contains(err.Error(), "too many operations") {
		t.Errorf("a transaction that is too large: %v", err)
	}
}
