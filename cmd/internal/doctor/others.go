package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tallyvault/tallyvault/cluster/peer"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Bounds of what is well between machines.
const (
	visitWithin  = 5 * time.Second
	maxNodesBody = 256 << 10
	clockWarn    = 2 * time.Second
	clockFail    = 12 * time.Second // the committee's allowance
	certWarn     = 14 * 24 * time.Hour
	pinsWarn     = 24 * time.Hour
	pinsAhead    = 10 * time.Minute // clocks may differ by so much
	heardWarn    = 10 * time.Second
)

// visitor is what a node's API shows to anybody.
type visitor struct {
	name        string
	nodes       api.Nodes
	certificate *x509.Certificate
	date        time.Time // of its answer, whole seconds
	asked       time.Time // when it was given, by this machine's clock
}

// visit asks for what is public. The certificate is judged afterwards, by the pins.
func visit(ctx context.Context, url string) (visitor, error) {
	ctx, cancel := context.WithTimeout(ctx, visitWithin)
	defer cancel()
	var v visitor
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}} // the pins say more than a chain, below
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/v1/nodes", nil)
	if err != nil {
		return v, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return v, err
	}
	defer func() { _ = response.Body.Close() }()
	v.asked = time.Now()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxNodesBody))
	if err != nil {
		return v, err
	}
	if response.StatusCode != http.StatusOK || json.Unmarshal(body, &v.nodes) != nil || response.TLS == nil {
		return v, fmt.Errorf("%s answers %s, which is no node's answer", url, response.Status)
	}
	v.certificate = response.TLS.PeerCertificates[0]
	if v.date, err = http.ParseTime(response.Header.Get("Date")); err != nil {
		return v, fmt.Errorf("%s gives no date: %w", url, err)
	}
	for _, n := range v.nodes.Nodes {
		if n.This {
			v.name = n.Node
		}
	}
	return v, nil
}

// certificate judges a node's certificate and the pins that vouch for it.
func (e *examination) certificate(name string, v visitor) {
	check := "certificate of " + name
	var row api.Node
	for _, n := range v.nodes.Nodes {
		if n.This {
			row = n
		}
	}
	statement, err := envelope.Parse(row.Pins)
	var pins api.Pins
	if err == nil {
		pins, err = api.VerifyPins(statement, e.cluster, e.keyOf, time.Now())
	}
	left, pinsLeft := time.Until(v.certificate.NotAfter), time.Until(time.UnixMilli(pins.ExpiresAt))
	switch {
	case err != nil:
		e.bad(Fail, check, "clients will refuse it: look at both machines' clocks, and start that node again", "its pins do not count: %v", err)
	case pins.Node != name:
		e.bad(Fail, check, "look at names, routes and proxies to that node", "it shows pins of %s", pins.Node)
	case !pins.Holds(api.PinOf(v.certificate)):
		e.bad(Fail, check, "something stands between: a proxy that ends TLS, or another program at that address", "the API shows a key that the node does not vouch for")
	case left < 0:
		e.bad(Fail, check, "renew it; the node takes it up by itself", "ended %s ago", days(-left))
	case left < certWarn:
		e.bad(Warn, check, "renew it; a self-made one is renewed by the node itself while it runs", "ends in %s", days(left))
	case time.UnixMilli(pins.IssuedAt).After(time.Now().Add(pinsAhead)):
		e.bad(Warn, check, "look at the clocks of that machine and of this one", "its pins were signed at %s, later than now",
			time.UnixMilli(pins.IssuedAt).UTC().Format(time.RFC3339))
	case pinsLeft < pinsWarn:
		e.bad(Warn, check, "look at that node's clock and log: pins are signed anew each day", "its pins end in %s", days(pinsLeft))
	default:
		e.ok(check, "good for %s, pins signed by the node key for %s more", days(left), days(pinsLeft))
	}
}

// keyOf finds a node key: genesis' own, else what the running node knows of later members.
func (e *examination) keyOf(name string) ([32]byte, bool) {
	if key, ok := api.KeysOf(e.genesis)(name); ok {
		return key, true
	}
	for _, m := range e.members {
		raw, err := hex.DecodeString(m.NodeKey)
		if m.Node == name && err == nil && len(raw) == 32 {
			return [32]byte(raw), true
		}
	}
	return [32]byte{}, false
}

func keyText(key [32]byte) string { return hex.EncodeToString(key[:]) }

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// other looks at another member from here, and at what it sees of this node.
func (e *examination) other(ctx context.Context, m api.Node) {
	key, _ := e.keyOf(m.Node)
	member := peer.Member{Name: m.Node, Address: m.PeerAddress, Key: key}
	if err := peer.Probe(ctx, e.cluster, e.self.Name, e.dir.Node.Ed25519(), member); err != nil {
		e.bad(Fail, "peer port of "+m.Node, "ask its operator whether it runs; else look at names, routes and firewalls between the two", "%s cannot be reached: %s", m.PeerAddress, why(err))
	} else {
		e.ok("peer port of "+m.Node, "%s holds its key and lets this node in", m.PeerAddress)
	}
	v, err := visit(ctx, m.APIAddress)
	if err != nil {
		e.bad(Fail, "api of "+m.Node, "ask its operator whether it runs; else look at names, routes and firewalls between the two", "%s cannot be reached: %s", m.APIAddress, why(err))
		return
	}
	if v.name != m.Node {
		e.bad(Fail, "api of "+m.Node, "look at names, routes and proxies between the two", "%s answers as %q", m.APIAddress, v.name)
		return
	}
	e.ok("api of "+m.Node, "%s answers", m.APIAddress)
	e.certificate(m.Node, v)
	e.clock(m.Node, v.asked.Sub(v.date.Add(500*time.Millisecond)), 600*time.Millisecond)
	e.word(ctx, m)
}

// clock compares this machine's with another's.
func (e *examination) clock(name string, ahead, doubt time.Duration) {
	off := max(ahead.Abs()-doubt, 0)
	seen := fmt.Sprintf("this machine's clock is %+.1f s from that of %s, give or take %.1f s", ahead.Seconds(), name, doubt.Seconds())
	switch {
	case off > clockFail:
		e.bad(Fail, "clock against "+name, "set the clock that is wrong (NTP); the others tell which", "%s", seen)
	case off > clockWarn:
		e.bad(Warn, "clock against "+name, "let both machines keep time by NTP", "%s", seen)
	default:
		e.ok("clock against "+name, "%s", seen)
	}
}

// word is what another node says of itself and of this one, to somebody who may read.
func (e *examination) word(ctx context.Context, m api.Node) {
	if e.config.Status == nil {
		return
	}
	s, err := e.config.Status(ctx, e.genesis, m.APIAddress)
	if err != nil {
		e.bad(Warn, "word of "+m.Node, "use a registered key with --key", "it says nothing of itself: %v", err)
		return
	}
	if s.Version != e.config.Version {
		e.bad(Warn, "version of "+m.Node, "bring all nodes to one version", "it runs %s, this program is %s", s.Version, e.config.Version)
	} else {
		e.ok("version of "+m.Node, "it runs %s, as here", s.Version)
	}
	if len(s.Alarms) > 0 {
		e.bad(Warn, "alarms of "+m.Node, "see runbooks/alarms.md", "%v", s.Alarms)
	}
	if !e.Running {
		return // a node that is down is not seen by anybody
	}
	for _, p := range s.Peers {
		if p.Node != e.self.Name {
			continue
		}
		if ago := time.Duration(p.AgoMs) * time.Millisecond; !p.Seen || ago > heardWarn {
			e.bad(Fail, "seen by "+m.Node, "it cannot reach this node: look at "+e.self.PeerAddress+" from there, at --peer-listen and at this machine's firewall", "it has not heard this node for %s", ago.Round(time.Second))
		} else {
			e.ok("seen by "+m.Node, "it reached this node %s ago", ago)
		}
	}
}
