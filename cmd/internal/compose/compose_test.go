package compose

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"lukechampine.com/uint128"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

func key(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

var place = Place{Cluster: [16]byte{1}, Era: "0-00", Now: time.UnixMilli(1_760_000_000_000)}

func deposit(t *testing.T) envelope.Envelope {
	t.Helper()
	h, err := place.Threshold()
	if err != nil {
		t.Fatal(err)
	}
	return Unsigned("deposit", fsm.Deposit{ThresholdHeader: h, Account: "payer/grid", Asset: "BLOCK", Amount: uint128.From64(5), Reference: "r-1"})
}

var signer = envelope.KeyIDOf(key(1).Public().(ed25519.PublicKey))

// Every command has a template, and what a template says is a draft of it.
func TestTemplatesAreDrafts(t *testing.T) {
	for _, name := range fsm.CommandNames() {
		text, _, err := Template(name, place, "3", 8, &signer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e, err := Read(text)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		c, err := words.Parse(e)
		if err != nil || c.Name() != name {
			t.Errorf("%s was read as %v, %v", name, c, err)
			continue
		}
		if h := c.Single(); h != nil && (h.Lane != "3" || h.Nonce != 8 || *h.Signer != signer || h.ExpiresAt-h.IssuedAt != SingleLife.Milliseconds()) {
			t.Errorf("%s: header %+v", name, h)
		}
		if h := c.Threshold(); h != nil && (h.Salt == [16]byte{} || h.ExpiresAt-h.IssuedAt != ThresholdLife.Milliseconds()) {
			t.Errorf("%s: header %+v", name, h)
		}
	}
	_, optional, err := Template("attest", place, "0", 1, nil)
	if err != nil || !slices.Equal(optional, []string{"signer", "rejects", "values"}) {
		t.Errorf("optional members of attest: %v, %v", optional, err)
	}
	if _, _, err := Template("withdraw_everything", place, "0", 1, nil); err == nil || !strings.Contains(err.Error(), "submit_reading") {
		t.Errorf("error %v", err)
	}
}

func TestSignaturesGatherOnUnchangedBytes(t *testing.T) {
	unsigned := deposit(t)
	one, err := Sign(unsigned, key(1))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(one.JSON())
	if err != nil {
		t.Fatal(err)
	}
	two, err := Sign(again, key(2))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(two.Payload, unsigned.Payload) || len(two.Signatures) != 2 || len(one.Signatures) != 1 {
		t.Errorf("signed %+v", two)
	}
	if _, err := Sign(two, key(1)); !errors.Is(err, ErrSigned) {
		t.Errorf("a second signature of one key: %v", err)
	}
}

func TestSingleCommandsTakeOneSignature(t *testing.T) {
	e := Unsigned("revoke_key", fsm.RevokeKey{Header: place.Single("0", 1, nil)})
	if _, err := Sign(e, key(1), key(2)); err == nil {
		t.Error("two keys signed")
	}
	e, err := Sign(e, key(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Sign(e, key(2)); err == nil || !strings.Contains(err.Error(), "exactly one signature") {
		t.Errorf("error %v", err)
	}
}

func TestNamedSignerAloneMaySign(t *testing.T) {
	e := Unsigned("revoke_key", fsm.RevokeKey{Header: place.Single("0", 1, &signer)})
	if _, err := Sign(e, key(2)); err == nil || !strings.Contains(err.Error(), "names key "+signer.String()) {
		t.Errorf("error %v", err)
	}
	if _, err := Sign(e, key(1)); err != nil {
		t.Error(err)
	}
}

func TestReadRefuses(t *testing.T) {
	good := string(Draft("deposit", fsm.Deposit{ThresholdHeader: fsm.ThresholdHeader{Era: "0-00"}, Account: "a", Asset: "b", Reference: "c"}))
	if _, err := Read([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"no JSON", "deposit", "neither a draft nor an envelope"},
		{"unknown command", strings.Replace(good, "deposit", "depose", 1), "not a command"},
		{"unknown member", strings.Replace(good, `"command"`, `"note": "", "command"`, 1), "note"},
		{"payload's unknown member", strings.Replace(good, `"asset"`, `"assets"`, 1), "assets"},
		{"missing member", strings.Replace(good, `"asset": "b",`, "", 1), "asset"},
		{"envelope of something else", `{"payloadType":"text/plain","payload":"","signatures":[]}`, "not a command"},
		{"envelope with a bad payload", string(envelope.Envelope{PayloadType: fsm.TypeDeposit.PayloadType(), Payload: []byte("{}")}.JSON()), "MalformedPayload"},
	} {
		if test.text == good {
			t.Fatalf("%s: nothing was changed", test.name)
		}
		if _, err := Read([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	text, _, err := Template("attest", place, "0", 1, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(Unsigned("revoke_key", fsm.RevokeKey{Header: place.Single("0", 1, nil)}).JSON())
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Read(data)
		if err != nil {
			return
		}
		again, err := Read(e.JSON())
		if err != nil || again.Identity() != e.Identity() {
			t.Fatalf("%s became %v, %v", e.JSON(), again, err)
		}
	})
}
