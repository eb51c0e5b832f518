package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// identityOf is the made-up identity of reading n.
func identityOf(n uint64) []byte { return bytes.Repeat([]byte{byte(n)}, 32) }

func live(numbers ...uint64) []api.Reading {
	var list []api.Reading
	for _, n := range numbers {
		list = append(list, api.Reading{Number: api.Uint64(n), Identity: fmt.Sprintf("%x", identityOf(n))})
	}
	return list
}

func TestAttestationCoversRunsOfLiveReadings(t *testing.T) {
	b, err := attestation("energy", live(3, 4, 5, 9, 11, 12), []uint64{9, 4})
	if err != nil {
		t.Fatal(err)
	}
	hash := func(numbers ...uint64) [32]byte {
		var all []byte
		for _, n := range numbers {
			all = append(all, identityOf(n)...)
		}
		return sha256.Sum256(all)
	}
	want := []fsm.AttestedRange{
		{From: 3, To: 5, Hash: hash(3, 4, 5)}, {From: 9, To: 9, Hash: hash(9)}, {From: 11, To: 12, Hash: hash(11, 12)},
	}
	if !reflect.DeepEqual(b.Ranges, want) || !reflect.DeepEqual(b.Rejects, []uint64{4, 9}) {
		t.Errorf("attestation %+v", b)
	}
}

func TestAttestationRefuses(t *testing.T) {
	broken := live(3)
	broken[0].Identity = "00"
	for want, err := range map[string]error{
		"is live":              attestationError(nil, nil),
		"not in the range":     attestationError(live(3, 5), []uint64{4}),
		"as the node tells it": attestationError(broken, nil),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func attestationError(list []api.Reading, rejects []uint64) error {
	_, err := attestation("energy", list, rejects)
	return err
}
