package fsm

import (
	"bytes"
	"crypto/sha256"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Commands whose members are pushed to their ends, a few of them in one entry and
// then a tick: two machines agree, no money comes from nowhere, leaves fit, and a
// restart would accept the state.
func TestPayloadsAtTheirEnds(t *testing.T) {
	r := busy(t)
	models := r.oneOfEach()
	rapid.Check(t, func(rt *rapid.T) {
		a, b := r.twin(), r.twin()
		now := r.now
		for range 3 {
			e := &Entry{Number: a.Number() + 1, At: now}
			for range rapid.IntRange(1, 4).Draw(rt, "commands") {
				if c, ok := r.bent(rt, rapid.SampledFrom(models).Draw(rt, "model")); ok {
					e.Commands = append(e.Commands, c)
				}
			}
			now += rapid.SampledFrom([]int64{0, 1_000, 9_000, 100_000}).Draw(rt, "ms")
			for _, log := range [][]byte{e.Encode(), (&Entry{Number: e.Number + 1, At: now, Cut: true}).Encode()} {
				first, err := DecodeEntry(log)
				if err != nil {
					rt.Fatal(err)
				}
				checkLeaves(t, a.Apply(log, first))
				second, _ := DecodeEntry(log)
				b.Apply(log, second)
			}
		}
		if a.View().Digest() != b.View().Digest() || a.View().Root() != b.View().Root() {
			rt.Fatal("two machines disagree")
		}
		if err := a.state.consistent(); err != nil {
			rt.Fatal(err)
		}
		if alarms := a.View().Alarms(); len(alarms) > 0 && alarms[0] != AlarmEntry {
			rt.Fatalf("alarms %v", alarms)
		}
		var image bytes.Buffer
		if err := a.View().WriteSnapshot(&image, a.View().Digest()); err != nil {
			rt.Fatal(err)
		}
		if _, _, err := ReadSnapshot(r.genesis, &image); err != nil {
			rt.Fatal(err)
		}
	})
}

// bent is a command like the model, with some members changed.
func (r *rig) bent(t *rapid.T, model *Command) (*Command, bool) {
	body := specOf(model.Type).empty()
	if err := specOf(model.Type).codec.Decode(model.Payload, body); err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		bend(t, reflect.ValueOf(body).Elem())
	}
	if b, ok := body.(*Attest); ok && rapid.Bool().Draw(t, "hashed") {
		r.rehash(b)
	}
	return r.signedBy(model.Type, strict.Encode(body))
}

// rehash makes an attestation's hashes right again where its ranges allow it.
func (r *rig) rehash(b *Attest) {
	for i := range b.Ranges {
		h, v := sha256.New(), &b.Ranges[i]
		for n := v.From; n <= v.To && n-v.From < 10; n++ {
			id, _ := r.m.state.oracle.Identity("energy", n)
			h.Write(id[:])
			if n == math.MaxUint64 {
				break
			}
		}
		v.Hash = [32]byte(h.Sum(nil))
	}
}

var (
	words = []string{
		"", "energy", "m-1", "m-2", "m/m-1", "m/m-2", "0", "3", "15", "16", "sunny", "windy", "city", "village", "oracle-a", "alice",
		"treasury", "treasury/held", "payer/city", "provider/sunny", "provider/sunny/held", "external/BLOCK", "BLOCK", "read", "threshold",
		"swap", "provider", "admin", "payer", "é\u0000\"", string(bytes.Repeat([]byte("long "), 3_000)),
	}
	counts = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 1_000, 1 << 32, 1 << 63, math.MaxUint64 - 1, math.MaxUint64}
	times  = []int64{math.MinInt64, -1, 0, 1, rigStart - 1, rigStart, rigStart + 1, rigStart + 300_000, rigStart + 301_000, maxStatedMs, math.MaxInt64}
)

// bend changes one member somewhere below v.
func bend(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		bend(t, v.Field(rapid.IntRange(0, v.NumField()-1).Draw(t, "member")))
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		bend(t, v.Elem())
	case reflect.Slice:
		n := rapid.SampledFrom([]int{0, 1, 2, 3, 65, 300}).Draw(t, "length")
		list := reflect.MakeSlice(v.Type(), n, n)
		for i := range n {
			if v.Len() > 0 {
				list.Index(i).Set(v.Index(i % v.Len()))
			}
		}
		if n > 0 && n < 4 {
			bend(t, list.Index(n-1))
		}
		v.Set(list)
	case reflect.Array:
		v.Index(rapid.IntRange(0, v.Len()-1).Draw(t, "byte")).SetUint(rapid.Uint64Range(0, 255).Draw(t, "value"))
	case reflect.String:
		v.SetString(rapid.SampledFrom(words).Draw(t, "word"))
	case reflect.Uint64:
		v.SetUint(rapid.SampledFrom(counts).Draw(t, "count"))
	case reflect.Uint32, reflect.Uint16, reflect.Uint8:
		v.SetUint(rapid.SampledFrom(counts).Draw(t, "small count") & (1<<v.Type().Bits() - 1))
	case reflect.Int64:
		v.SetInt(rapid.SampledFrom(times).Draw(t, "time"))
	default:
		t.Fatalf("a member of kind %v", v.Kind())
	}
}
