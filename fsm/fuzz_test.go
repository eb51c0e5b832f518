package fsm

import (
	"bytes"
	"testing"
)

func FuzzParseFrame(f *testing.F) {
	r := world(f)
	f.Add(r.sign("sunny", r.reading("m-1", 1_000, r.now)).Frame())
	f.Add(r.threshold(&Deposit{Account: "treasury", Asset: "BLOCK", Amount: amount(1), Reference: "x"}).Frame())
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseFrame(data)
		if err != nil {
			return
		}
		if !bytes.Equal(c.Frame(), data) {
			t.Fatal("frame changed by a round trip")
		}
		again, refusal := FromEnvelope(c.Envelope())
		if refusal != nil || again.Identity() != c.Identity() {
			t.Fatalf("envelope of a frame: %v", refusal)
		}
	})
}

func FuzzDecodeEntry(f *testing.F) {
	r := world(f)
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now)))
	r.pass(2)
	for _, raw := range r.log {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEntry(data)
		if err == nil && !bytes.Equal(e.Encode(), data) {
			t.Fatal("entry changed by a round trip")
		}
	})
}

// Any bytes as the next entry: never a panic, and two machines agree. The
// number is mended so that more gets past the first check.
func FuzzApply(f *testing.F) {
	r := world(f)
	r.must(r.sign("sunny", r.reading("m-1", 1_000, r.now)))
	r.must(r.sign("oracle-a", r.attestation(1, 1)), r.sign("oracle-b", r.attestation(1, 1)))
	r.pass(2)
	for _, raw := range r.log {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := r.twin(), r.twin()
		for range 2 {
			e, err := DecodeEntry(data)
			raw := data
			if err == nil && a.Number()%2 == 0 {
				e.Number = a.Number() + 1
				raw = e.Encode()
			}
			a.Apply(raw, e)
			twin, _ := DecodeEntry(raw)
			b.Apply(raw, twin)
		}
		if a.View().Digest() != b.View().Digest() || a.View().Root() != b.View().Root() {
			t.Fatal("two machines disagree")
		}
		if err := a.View().Conserved(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzReadSnapshot(f *testing.F) {
	r := world(f)
	r.pass(2)
	var whole bytes.Buffer
	if err := r.m.View().WriteSnapshot(&whole, r.m.View().Digest()); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, digest, err := ReadSnapshot(r.genesis, bytes.NewReader(data))
		if err == nil && m.View().Digest() != digest {
			t.Fatal("restored a state with another digest than it tells")
		}
	})
}

func FuzzParseOutcome(f *testing.F) {
	r := world(f)
	for _, o := range r.send(r.sign("sunny", r.reading("m-1", 1_000, r.now)), r.sign("sunny", r.reading("m-2", 1, r.now))) {
		f.Add(o.Record())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := ParseOutcome(data); err == nil && !bytes.Equal(o.Record(), data) {
			t.Fatal("outcome changed by a round trip")
		}
	})
}

func FuzzParseReceipt(f *testing.F) {
	r := world(f)
	r.must(r.sign("sunny", r.reading("m-1", 0, r.now-7_200_000)), r.sign("sunny", r.reading("m-1", 500, r.now)))
	r.must(r.sign("oracle-a", r.attestation(1, 2)), r.sign("oracle-b", r.attestation(1, 2)))
	for _, receipt := range r.last.Receipts {
		f.Add(encodeReceipt(receipt.Body))
	}
	f.Add(encodeReceipt(r.tick().Receipts[0].Body))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, body, err := ParseReceipt(data)
		if err == nil && body == nil {
			t.Fatal("parsed into nothing")
		}
		if err == nil {
			again := encodeReceipt(body)
			if _, _, err := ParseReceipt(again); err != nil {
				t.Fatalf("own encoding refused: %v", err)
			}
		}
	})
}
