package doctor

import (
	stdlib "crypto/ed25519"
	"crypto/x509"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

// selfMade is a certificate as a node makes one, which ends at a time.
func selfMade(t *testing.T, ends time.Time) *x509.Certificate {
	t.Helper()
	public, private, err := stdlib.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: ends.Add(-400 * 24 * time.Hour), NotAfter: ends}
	der, err := x509.CreateCertificate(nil, form, form, public, private)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificate(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	cluster := [16]byte{1, 2, 3}
	const day = 24 * time.Hour
	now := time.Now()
	for name, c := range map[string]struct {
		ends   time.Duration
		signed time.Duration // when the pins were, from now
		node   string
		key    ed25519.PrivateKey
		proxy  bool
		want   State
		seen   string
	}{
		"good":               {100 * day, 0, "node-b", private, false, OK, "good for 99 days"},
		"ends soon":          {3*day + time.Hour, 0, "node-b", private, false, Warn, "ends in 3 days"},
		"ended":              {-3 * day, 0, "node-b", private, false, Fail, "ended 3 days ago"},
		"pins end soon":      {100 * day, -6*day - 12*time.Hour, "node-b", private, false, Warn, "its pins end in 11 h"},
		"pins ended":         {100 * day, -8 * day, "node-b", private, false, Fail, "pins do not count"},
		"pins of tomorrow":   {100 * day, day, "node-b", private, false, Warn, "later than now"},
		"signed by another":  {100 * day, 0, "node-b", stranger, false, Fail, "pins do not count"},
		"pins of another":    {100 * day, 0, "node-c", private, false, Fail, "it shows pins of node-c"},
		"pins of a stranger": {100 * day, 0, "node-x", private, false, Fail, "pins do not count"},
		"a proxy between":    {100 * day, 0, "node-b", private, true, Fail, "does not vouch for"},
	} {
		shown := selfMade(t, now.Add(c.ends))
		pinned := shown
		if c.proxy {
			pinned = selfMade(t, now.Add(c.ends))
		}
		pins := api.NewPins(cluster, c.node, []api.Pin{api.PinOf(pinned)}, now.Add(c.signed)).Sign(c.key)
		e := &examination{Report: &Report{}, genesis: &genesis.Signed{}, cluster: cluster, members: []api.Node{
			{Node: "node-b", NodeKey: keyText([32]byte(public))}, {Node: "node-c", NodeKey: keyText([32]byte(public))},
		}}
		e.certificate("node-b", visitor{certificate: shown, nodes: api.Nodes{Nodes: []api.Node{{Node: c.node, This: true, Pins: pins.JSON()}}}})
		if e.Worst() != c.want || len(e.Findings) != 1 || !strings.Contains(e.Findings[0].Seen, c.seen) {
			t.Errorf("%s: %+v, want %s: %q", name, e.Findings, c.want, c.seen)
		}
	}
}
