package client_test

import (
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/client"
)

func TestDialRefuses(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	for name, config := range map[string]client.Config{
		"no URL":                {},
		"plain HTTP":            {URLs: []string{"http://localhost:1"}},
		"no host":               {URLs: []string{"https://"}},
		"a password in the URL": {URLs: []string{"https://a:b@localhost"}},
		"a query in the URL":    {URLs: []string{"https://localhost?x=1"}},
		"a key, no cluster":     {URLs: []string{"https://localhost"}, Key: key},
	} {
		if _, err := client.Dial(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSignerMakesWhatTheStateMachineReads(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	s := client.Signer{Key: key, Cluster: [16]byte{7}}
	now := time.UnixMilli(1_764_000_000_000)
	reading := &fsm.SubmitReading{Market: "energy", Meter: "m", Register: 5, MeasuredAt: 3, Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"}}
	e, err := s.Build(reading, "m/m", 9, now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	command, refusal := fsm.FromEnvelope(e)
	if refusal != nil || command.Refused() != nil {
		t.Fatal(refusal, command.Refused())
	}
	h := command.Single()
	if h.Nonce != 9 || h.Lane != "m/m" || h.Cluster != s.Cluster || h.ExpiresAt != now.Add(time.Minute).UnixMilli() || reading.Nonce != 0 {
		t.Errorf("header %+v; the caller's payload %+v", h, reading)
	}
	deposit, err := s.BuildThreshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 5}, Reference: "r"}, [16]byte{1}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second := client.Signer{Key: ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef")), Cluster: s.Cluster}
	signed := second.AddSignature(deposit)
	command, refusal = fsm.FromEnvelope(signed)
	if refusal != nil || command.Threshold() == nil || len(command.Sigs) != 2 || len(deposit.Signatures) != 1 {
		t.Errorf("threshold command %+v, %v", command, refusal)
	}
	for name, cmd := range map[string]any{"no payload": &struct{ A int }{}, "no pointer": fsm.Deposit{}} {
		if _, err := s.Build(cmd, "0", 1, now, time.Minute); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := s.Build(&fsm.Deposit{}, "0", 1, now, time.Minute); err == nil {
		t.Error("a threshold command was built with a nonce")
	}
}
