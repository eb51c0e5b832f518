package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestBudgetsAreApartAndRefill(t *testing.T) {
	b := newBudgets(Limits{ChecksPerSecond: 10, ChecksBurst: 20})
	now := time.UnixMilli(1_764_000_000_000)
	one, two := addressOf("192.0.2.1:1000"), addressOf("192.0.2.2:1000")
	if left, ok := b.take(one, 20, now); !ok || left.Remaining != 0 || left.Limit != 20 || left.Reset != 2*time.Second {
		t.Fatalf("first take: %+v, %v", left, ok)
	}
	left, ok := b.take(one, 5, now)
	if ok || left.Wait != time.Second {
		t.Fatalf("empty budget: %+v, %v", left, ok)
	}
	if h := left.headers(); h.Get("Retry-After") != "1" || h.Get("Ratelimit-Remaining") != "0" || h.Get("Ratelimit-Limit") != "20" || h.Get("Ratelimit-Reset") != "2" {
		t.Errorf("headers %v", h)
	}
	if _, ok := b.take(two, 20, now); !ok {
		t.Error("one address used up another's budget")
	}
	if left, ok := b.take(one, 5, now.Add(time.Second)); !ok || left.Remaining != 5 {
		t.Errorf("after a second: %+v, %v", left, ok)
	}
}

func TestBudgetsForgetIdleAddressesAndAreBounded(t *testing.T) {
	b := newBudgets(Limits{ChecksPerSecond: 1, ChecksBurst: 2})
	now := time.UnixMilli(1_764_000_000_000)
	address := func(i int) netip.Prefix {
		return addressOf(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255))
	}
	for i := range maxAddresses {
		b.take(address(i), 1, now)
	}
	if len(b.limiters) != maxAddresses {
		t.Fatalf("%d addresses remembered", len(b.limiters))
	}
	// All are busy: newcomers share one budget.
	if _, ok := b.take(address(maxAddresses), 2, now); !ok {
		t.Error("the first newcomer was refused")
	}
	if _, ok := b.take(address(maxAddresses+1), 1, now); ok {
		t.Error("newcomers do not share a budget")
	}
	if len(b.limiters) != maxAddresses {
		t.Errorf("%d addresses remembered", len(b.limiters))
	}
	later := now.Add(time.Minute)
	if _, ok := b.take(address(maxAddresses+2), 2, later); !ok || len(b.limiters) != 1 {
		t.Errorf("idle addresses are kept: %d", len(b.limiters))
	}
}

func TestAddressOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:443":              "192.0.2.7/32",
		"[::ffff:192.0.2.7]:443":     "192.0.2.7/32",
		"[2001:db8:1:2:3:4:5:6]:443": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:443":         "fe80::/64",
		"":                           "invalid Prefix",
		"pipe":                       "invalid Prefix",
	} {
		if got := addressOf(remote).String(); got != want {
			t.Errorf("addressOf(%q) = %s, want %s", remote, got, want)
		}
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := prometheus.NewCounter(prometheus.CounterOpts{Name: "refused"})
	b := bound(listener, Limits{Connections: 8, ConnectionsPerAddress: 2}, refused)
	defer b.Close()
	accepted := make(chan net.Conn, 8)
	go func() {
		for {
			c, err := b.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	dial()
	first, second := <-accepted, <-accepted
	// The third is closed by the other side without a byte.
	third := dial()
	if err := third.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := third.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("a connection over the limit was kept: %v", err)
	}
	if n := valueOf(t, refused); n != 1 {
		t.Errorf("%v connections counted as turned away", n)
	}
	// Closing twice gives one place back, not two.
	first.Close()
	first.Close()
	dial()
	<-accepted
	if b.total != 2 {
		t.Errorf("%d connections counted, want 2", b.total)
	}
	second.Close()
}

func valueOf(t *testing.T, c prometheus.Collector) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || len(families[0].Metric) != 1 {
		t.Fatalf("%d families, %v", len(families), err)
	}
	return families[0].Metric[0].Counter.GetValue()
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func TestTheTotalOfConnectionsIsBounded(t *testing.T) {
	b := bound(nil, Limits{Connections: 2, ConnectionsPerAddress: 2}, nil)
	one, two, three := addressOf("192.0.2.1:1"), addressOf("192.0.2.2:1"), addressOf("192.0.2.3:1")
	if !b.admit(one) || !b.admit(two) || b.admit(three) {
		t.Error("the total is not bounded")
	}
	b.leave(one)
	if !b.admit(three) {
		t.Error("a place that was given back is not used")
	}
	if _, kept := b.byAddress[one]; kept {
		t.Error("an address without connections is remembered")
	}
}

// Where there are more addresses than are remembered, not every request of one more
// looks through them all.
func TestAddressesAreSweptNowAndThen(t *testing.T) {
	b := newBudgets(Limits{ChecksPerSecond: 1000, ChecksBurst: 1024})
	now := time.Unix(1_764_000_000, 0)
	address := func(n int) netip.Prefix { return addressOf(fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255)) }
	for n := range maxAddresses {
		b.take(address(n), 100, now)
	}
	for _, tt := range []struct {
		after time.Duration
		own   bool
	}{{0, false}, {sweepEvery / 2, false}, {sweepEvery, true}} {
		if own := b.limiterOf(address(maxAddresses), now.Add(tt.after)) != b.overflow; own != tt.own {
			t.Errorf("after %s: a budget of its own: %v", tt.after, own)
		}
	}
}

func BenchmarkOneAddressMore(b *testing.B) {
	budgets := newBudgets(Limits{ChecksPerSecond: 0.001, ChecksBurst: 1024})
	now := time.Unix(1_764_000_000, 0)
	for n := range maxAddresses {
		budgets.take(addressOf(fmt.Sprintf("10.%d.%d.%d:1", n>>16, n>>8&255, n&255)), 100, now)
	}
	more := addressOf("192.0.2.1:1")
	for b.Loop() {
		budgets.take(more, 0, now)
	}
}
