package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

func identityIn(t *testing.T, g *genesis.Signed, dir, cert, key string, now time.Time) *identity {
	t.Helper()
	i, err := newIdentity(identityConfig{
		certFile: cert, keyFile: key, dir: dir, hosts: hostsOf(g.Nodes[0]), cluster: g.Cluster, node: "node-a",
		nodeKey: testKey("node-a"), log: slog.New(slog.DiscardHandler),
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func (i *identity) pin() api.Pin { return api.PinOf(i.current().certificate.Leaf) }

func TestSelfMadeCertificate(t *testing.T) {
	g, dir, now := testGenesis(t, "identity"), t.TempDir(), time.UnixMilli(1_764_000_000_000)
	first := identityIn(t, g, dir, "", "", now)
	leaf := first.current().certificate.Leaf
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "node-a.example"} {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Errorf("the certificate lacks %s: %v", host, err)
		}
	}
	if public, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || public.Curve != elliptic.P256() {
		t.Errorf("key %T, want P-256", leaf.PublicKey)
	}
	if info, err := os.Stat(filepath.Join(dir, selfMadeKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	again := identityIn(t, g, dir, "", "", now.Add(time.Hour))
	if !again.current().certificate.Leaf.Equal(leaf) {
		t.Error("a restart made another certificate")
	}
	late := now.Add(selfMadeLife - renewBefore + time.Hour)
	if err := again.refresh(late); err != nil {
		t.Fatal(err)
	}
	renewed := again.current().certificate.Leaf
	if renewed.Equal(leaf) || !renewed.NotAfter.After(leaf.NotAfter) {
		t.Error("a certificate near its end was not renewed")
	}
	if api.PinOf(renewed) != api.PinOf(leaf) {
		t.Error("renewing changed the key, which clients have pinned")
	}
}

func TestDamagedKeyFileIsNamed(t *testing.T) {
	g, dir := testGenesis(t, "damaged"), t.TempDir()
	file := filepath.Join(dir, selfMadeKeyFile)
	if err := os.WriteFile(file, []byte("not PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := newIdentity(identityConfig{dir: dir, cluster: g.Cluster, node: "node-a", nodeKey: testKey("node-a")}, time.Now())
	if err == nil {
		t.Fatal("a damaged key was replaced in silence")
	}
}

func TestPinsAreVouchedForByTheNodeKey(t *testing.T) {
	g, now := testGenesis(t, "pins"), time.UnixMilli(1_764_000_000_000)
	i := identityIn(t, g, t.TempDir(), "", "", now)
	statement := func(i *identity) envelope.Envelope {
		e, err := envelope.Parse(i.current().pins)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	pins, err := api.VerifyPins(statement(i), g.Cluster, api.KeysOf(g), now)
	if err != nil || !pins.Holds(i.pin()) || pins.Node != "node-a" {
		t.Fatalf("pins %+v, %v", pins, err)
	}
	// The statement is renewed long before it ends, without a restart.
	if err := i.refresh(now.Add(pinsRefresh)); err != nil {
		t.Fatal(err)
	}
	if pins, err := api.VerifyPins(statement(i), g.Cluster, api.KeysOf(g), now.Add(api.PinsLife+time.Hour)); err != nil {
		t.Errorf("the statement was not renewed: %+v, %v", pins, err)
	}
	good := func() api.Pins { return api.NewPins(g.Cluster, "node-a", []api.Pin{i.pin()}, now) }
	other := testGenesis(t, "other")
	tests := map[string]envelope.Envelope{
		"another node's key":   good().Sign(testKey("node-b")),
		"a cosigner key":       good().Sign(testKey("node-a cosigner")),
		"another cluster":      api.NewPins(other.Cluster, "node-a", []api.Pin{i.pin()}, now).Sign(testKey("node-a")),
		"an unknown node":      api.NewPins(g.Cluster, "node-z", []api.Pin{i.pin()}, now).Sign(testKey("node-a")),
		"no pins":              api.NewPins(g.Cluster, "node-a", []api.Pin{}, now).Sign(testKey("node-a")),
		"too many pins":        api.NewPins(g.Cluster, "node-a", make([]api.Pin, 5), now).Sign(testKey("node-a")),
		"long over":            api.NewPins(g.Cluster, "node-a", []api.Pin{i.pin()}, now.Add(-api.PinsLife-time.Hour)).Sign(testKey("node-a")),
		"another payload type": {PayloadType: "x", Payload: good().Sign(testKey("node-a")).Payload, Signatures: good().Sign(testKey("node-a")).Signatures},
	}
	altered := good().Sign(testKey("node-a"))
	altered.Signatures[0].Sig[5] ^= 1
	tests["an altered signature"] = altered
	unsigned := good().Sign(testKey("node-a"))
	unsigned.Signatures = nil
	tests["no signature"] = unsigned
	for name, e := range tests {
		if _, err := api.VerifyPins(e, g.Cluster, api.KeysOf(g), now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// writePair puts a new self-signed certificate into two files.
func writePair(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := makeCertificate(private, []string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: leaf.Raw}, key: {Type: "EC PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// touch moves a file's time, which a quick rewrite might leave as it was.
func touch(t *testing.T, at time.Time, files ...string) {
	t.Helper()
	for _, file := range files {
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOperatorsCertificateIsTakenUpLive(t *testing.T) {
	g, dir, now := testGenesis(t, "live"), t.TempDir(), time.Now()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePair(t, cert, key)
	i := identityIn(t, g, dir, cert, key, now)
	first := i.pin()
	if err := i.refresh(now); err != nil || i.pin() != first {
		t.Fatalf("nothing changed, yet: %v", err)
	}
	writePair(t, cert, key)
	touch(t, now.Add(time.Minute), cert, key)
	if err := i.refresh(now); err != nil || i.pin() == first {
		t.Fatalf("the new certificate was not taken up: %v", err)
	}
	second := i.pin()
	e, err := envelope.Parse(i.current().pins)
	if err != nil {
		t.Fatal(err)
	}
	if pins, err := api.VerifyPins(e, g.Cluster, api.KeysOf(g), now); err != nil || !pins.Holds(second) || pins.Holds(first) {
		t.Errorf("pins %+v, %v", pins, err)
	}
	// Half of a new pair does not load: the old one stays in use.
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := i.refresh(now); err == nil {
		t.Error("half a pair was taken")
	}
	got, err := i.tlsConfig().GetCertificate(&tls.ClientHelloInfo{})
	if err != nil || api.PinOf(got.Leaf) != second {
		t.Errorf("handshakes do not use the old pair: %v", err)
	}
}

// A node that started with its clock a day ahead has signed pins that last a day too
// long; once it has heard what time it is, it signs them anew.
func TestPinsOfTheFutureAreSignedAnew(t *testing.T) {
	g, dir, now := testGenesis(t, "ahead"), t.TempDir(), time.Now()
	i := identityIn(t, g, dir, "", "", now.Add(24*time.Hour))
	lastsFor := func() time.Duration {
		e, err := envelope.Parse(i.current().pins)
		if err != nil {
			t.Fatal(err)
		}
		// Who is told of them by a clock that is right, or decades behind, takes them.
		for _, clock := range []time.Time{now, time.UnixMilli(1)} {
			if _, err := api.VerifyPins(e, g.Cluster, api.KeysOf(g), clock); err != nil {
				t.Error(err)
			}
		}
		pins, err := api.VerifyPins(e, g.Cluster, api.KeysOf(g), now)
		if err != nil {
			t.Fatal(err)
		}
		return time.UnixMilli(pins.ExpiresAt).Sub(now).Round(time.Second)
	}
	if got := lastsFor(); got != api.PinsLife+24*time.Hour {
		t.Errorf("pins of tomorrow last for %s", got)
	}
	if err := i.refresh(now); err != nil || lastsFor() != api.PinsLife {
		t.Errorf("the pins were not signed anew: %v", err)
	}
}

func TestCertificateAndKeyComeTogether(t *testing.T) {
	if _, err := newIdentity(identityConfig{certFile: "cert.pem"}, time.Now()); err == nil {
		t.Error("a certificate without a key was accepted")
	}
}
