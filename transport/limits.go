package transport

import (
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Fixed limits of the door. What an operator may change stands in [Limits].
const (
	maxBatchLines  = 1024
	maxBatchBytes  = 4 << 20
	maxHeaderBytes = 16 << 10
	maxTokenBytes  = 2 << 10
	maxAddresses   = 16_384      // addresses whose budget is remembered apart
	sweepEvery     = time.Second // a look through all addresses is not for every request
	maxWait        = 30 * time.Second
	maxEventBytes  = 64 << 10 // of events that are written at a time
	maxScanned     = 1024     // leaves looked at in one turn of a stream
)

// Limits are the bounds that an operator may tune. A zero field means its default.
type Limits struct {
	Connections           int     // open connections in all; default 2,048
	ConnectionsPerAddress int     // open connections of one address; default 256
	ChecksPerSecond       float64 // signature checks a second for one address; default 5,000
	ChecksBurst           int     // signature checks one address may save up; default 10,000
	Streams               int     // streams of events in all; default 256
	StreamsPerAddress     int     // streams of events of one address; default 64
}

func (l Limits) withDefaults() Limits {
	if l.Connections == 0 {
		l.Connections = 2048
	}
	if l.ConnectionsPerAddress == 0 {
		l.ConnectionsPerAddress = 256
	}
	if l.ChecksPerSecond == 0 {
		l.ChecksPerSecond = 5000
	}
	if l.ChecksBurst == 0 {
		l.ChecksBurst = 10_000
	}
	if l.Streams == 0 {
		l.Streams = 256
	}
	if l.StreamsPerAddress == 0 {
		l.StreamsPerAddress = 64
	}
	return l
}

// budgets meters what costs this node processor time, signature checks above
// all, for each address apart, so that one caller cannot use up the node.
type budgets struct {
	limit rate.Limit
	burst int

	mu       sync.Mutex
	limiters map[netip.Prefix]*rate.Limiter
	swept    time.Time     // when idle addresses were forgotten last
	overflow *rate.Limiter // shared by the addresses that find no room in limiters
}

func newBudgets(limits Limits) *budgets {
	limit := rate.Limit(limits.ChecksPerSecond)
	return &budgets{
		limit:    limit,
		burst:    limits.ChecksBurst,
		limiters: map[netip.Prefix]*rate.Limiter{},
		overflow: rate.NewLimiter(limit, limits.ChecksBurst),
	}
}

// budget is what an address has left after a request.
type budget struct {
	Limit     int           // the most it can have
	Remaining int           // what it has now
	Reset     time.Duration // until it has the most again
	Wait      time.Duration // until the refused request would be allowed
}

// take draws n checks from the address's budget. False means that nothing was
// drawn and that the request should be answered with RateLimited.
func (b *budgets) take(address netip.Prefix, n int, now time.Time) (budget, bool) {
	limiter := b.limiterOf(address, now)
	allowed := limiter.AllowN(now, n)
	tokens := max(limiter.TokensAt(now), 0)
	left := budget{
		Limit:     b.burst,
		Remaining: int(tokens),
		Reset:     b.secondsFor(float64(b.burst) - tokens),
	}
	if !allowed {
		left.Wait = b.secondsFor(float64(n) - tokens)
	}
	return left, allowed
}

// secondsFor is the time in which that many checks flow in, in whole seconds
// rounded up, since that is what the headers can say.
func (b *budgets) secondsFor(checks float64) time.Duration {
	return time.Duration(math.Ceil(max(checks, 0)/float64(b.limit))) * time.Second
}

func (b *budgets) limiterOf(address netip.Prefix, now time.Time) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if limiter, ok := b.limiters[address]; ok {
		return limiter
	}
	if len(b.limiters) >= maxAddresses && now.Sub(b.swept) >= sweepEvery {
		b.forgetIdle(now)
		b.swept = now
	}
	if len(b.limiters) >= maxAddresses {
		return b.overflow
	}
	limiter := rate.NewLimiter(b.limit, b.burst)
	b.limiters[address] = limiter
	return limiter
}

// forgetIdle drops the addresses whose budget is full: a new limiter would be
// the same. The caller holds mu.
func (b *budgets) forgetIdle(now time.Time) {
	for address, limiter := range b.limiters {
		if limiter.TokensAt(now) >= float64(b.burst) {
			delete(b.limiters, address)
		}
	}
}

// headers are the RateLimit fields of an answer.
func (b budget) headers() http.Header {
	h := http.Header{}
	h.Set("RateLimit-Limit", strconv.Itoa(b.Limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(b.Remaining))
	h.Set("RateLimit-Reset", seconds(b.Reset))
	if b.Wait > 0 {
		h.Set("Retry-After", seconds(b.Wait))
	}
	return h
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func seconds(d time.Duration) string {
	return strconv.FormatInt(int64(d/time.Second), 10)
}

// addressOf is the unit that is limited: an IPv4 address, or the /64 of an IPv6
// address, since one caller usually holds a whole /64. An address that cannot
// be read counts as one common address.
func addressOf(remote string) netip.Prefix {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
