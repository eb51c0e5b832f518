package vectors

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// commandsFile is commands.json.
type commandsFile struct {
	State stateOf       `json:"state"`
	Good  []goodCommand `json:"good"`
	Bad   []badCommand  `json:"bad"`
}

// stateOf says in which state of the cluster the commands are judged.
type stateOf struct {
	Cluster string    `json:"cluster"`
	Era     string    `json:"era"`
	Now     int64     `json:"now"`
	Meters  []meterOf `json:"meters"`
}

type meterOf struct {
	Meter      string  `json:"meter"`
	Market     string  `json:"market"`
	Provider   string  `json:"provider"`
	LastNonce  string  `json:"last_nonce"`
	Pending    uint32  `json:"pending"`
	MaxPending uint32  `json:"max_pending"`
	Base       *baseOf `json:"base,omitempty"`
}

type baseOf struct {
	Register   string `json:"register"`
	MeasuredAt int64  `json:"measured_at"`
}

type goodCommand struct {
	Name        string            `json:"name"`
	Why         string            `json:"why"`
	Signers     []string          `json:"signers"`
	PayloadType string            `json:"payload_type"`
	Payload     string            `json:"payload"`
	PAE         string            `json:"pae_hex"`
	Identity    string            `json:"identity"`
	Envelope    string            `json:"envelope"`
	Spellings   []string          `json:"other_spellings,omitempty"`
	Identities  []string          `json:"range_identities,omitempty"`
	Result      map[string]string `json:"result,omitempty"`
}

type badCommand struct {
	Name     string            `json:"name"`
	SeenIn   string            `json:"seen_in"`
	Envelope string            `json:"envelope"`
	Code     fsm.Code          `json:"code"`
	Fields   map[string]string `json:"fields,omitempty"`
	Consumes bool              `json:"consumes_nonce"`
}

// Where the fault of a bad command can be seen.
const (
	inEnvelope  = "envelope"  // by anybody
	inPayload   = "payload"   // by who knows the form of the payload
	inSignature = "signature" // by who has the public keys
	inState     = "state"     // by the cluster
)

// text is a payload before it is signed.
type text string

// with changes a payload where it says old, which must be once.
func (p text) with(t testing.TB, old, changed string) text {
	t.Helper()
	if strings.Count(string(p), old) != 1 {
		t.Fatalf("%q is not once in %s", old, p)
	}
	return text(strings.Replace(string(p), old, changed, 1))
}

func (w *world) payload(who string, body any, lane string, nonce uint64) text {
	w.t.Helper()
	e, err := w.signer(who).Build(body, lane, nonce, at(w.now), hour)
	if err != nil {
		w.t.Fatal(err)
	}
	return text(e.Payload)
}

// roof is the next reading of roof-1 on a lane.
func (w *world) roof(lane string, nonce uint64) text {
	return w.payload("sunny", &fsm.SubmitReading{
		Market: market, Meter: "roof-1", Register: 1_003_000, MeasuredAt: started, Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}, lane, nonce)
}

func signed(t fsm.Type, payload text, who ...string) envelope.Envelope {
	e := envelope.Envelope{PayloadType: t.PayloadType(), Payload: []byte(payload)}
	for _, name := range who {
		e.Signatures = append(e.Signatures, envelope.Sign(keyOf(name), e.PayloadType, e.Payload))
	}
	return e
}

func (w *world) good(name, why string, e envelope.Envelope, who ...string) goodCommand {
	w.t.Helper()
	o := w.judge(w.command(e))
	if o.Refusal != nil {
		w.t.Errorf("%s: %v", name, o.Refusal)
	}
	return goodCommand{
		Name: name, Why: why, Signers: who, PayloadType: e.PayloadType, Payload: string(e.Payload),
		PAE: hex.EncodeToString(e.PAE()), Identity: e.Identity().String(), Envelope: string(e.JSON()), Result: fieldsOf(o.Result),
	}
}

func fieldsOf(list []fsm.Field) map[string]string {
	fields := map[string]string{}
	for _, f := range list {
		fields[f.Name] = f.Value
	}
	return fields
}

// bad judges an envelope as a node does, and demands the code.
func (w *world) bad(name, seenIn string, code fsm.Code, body string) badCommand {
	w.t.Helper()
	b := badCommand{Name: name, SeenIn: seenIn, Envelope: body, Code: code}
	refusal, consumed := w.refusal([]byte(body))
	if refusal == nil || refusal.Code != code {
		w.t.Errorf("%s is answered with %v, want %s", name, refusal, code)
		return b
	}
	if b.Consumes = consumed; code != fsm.MalformedPayload { // whose words are a parser's
		b.Fields = fieldsOf(refusal.Fields)
	}
	return b
}

func (w *world) refusal(body []byte) (refusal *fsm.Refusal, consumed bool) {
	e, err := envelope.Parse(body)
	if err != nil {
		return &fsm.Refusal{Code: fsm.MalformedPayload}, false
	}
	c, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		return refusal, false
	}
	o := w.judge(c)
	return o.Refusal, !o.Unconsumed
}

func TestVectorsCommands(t *testing.T) {
	w := newWorld(t)
	v := w.machine.View()
	state := stateOf{Cluster: w.genesis.ClusterID(), Era: v.Era(), Now: v.Now()}
	for _, row := range []struct{ meter, provider string }{{"full-1", "sunny"}, {"mill-1", "windy"}, {"roof-1", "sunny"}} {
		m, _ := v.Oracle().Meter(row.meter)
		described := meterOf{
			Meter: m.ID, Market: m.Market, Provider: m.Provider, Pending: m.Pending, MaxPending: w.genesis.Markets[0].MaxPendingPerMeter,
			LastNonce: decimal(v.Lane(envelope.KeyIDOf(public(row.provider)), "m/"+m.ID)),
		}
		if m.HasBase {
			described.Base = &baseOf{Register: decimal(m.BaseRegister), MeasuredAt: m.BaseMeasuredAt}
		}
		state.Meters = append(state.Meters, described)
	}
	document(t, "commands.json", commandsFile{State: state, Good: goodCommands(w), Bad: badCommands(w)})
}

func goodCommands(w *world) []goodCommand {
	roof := w.roof("m/roof-1", 3)
	next := w.good("next reading", "a gateway's daily bread: the lane of the meter, the next nonce", signed(fsm.TypeSubmitReading, roof, "sunny"), "sunny")
	payload, sig := base64.StdEncoding.EncodeToString([]byte(roof)), signed(fsm.TypeSubmitReading, roof, "sunny").Signatures[0]
	raw := base64.RawURLEncoding.EncodeToString(sig.Sig[:])
	next.Spellings = []string{
		`{"signatures":[{"sig":"` + raw + `","keyid":"` + sig.KeyID.String() + `","also":"ignored"}],"payloadType":"` + next.PayloadType +
			`","payload":"` + strings.TrimRight(payload, "=") + `","unknown":{"members":["of the envelope","are ignored"]}}`,
	}
	spaced := text(strings.NewReplacer(`,"`, ",\n  \"", `":`, `": `).Replace(string(roof)))
	head, _, _ := strings.Cut(string(roof), `,"era"`)
	reordered := "{" + roof[len(head)+1:len(roof)-1] + "," + text(head[1:]) + "}" // the first member last
	large := w.payload("windy", &fsm.SubmitReading{
		Market: market, Meter: "mill-1", Register: 1<<64 - 1, MeasuredAt: started, Quality: fsm.Quality{ClockSync: "gps", MeterStatus: "ok"},
	}, "m/mill-1", 1)
	attest := w.payload("olga", &fsm.Attest{
		Market: market, Ranges: []fsm.AttestedRange{{From: 3, To: 4, Hash: rangeHash(w.readingNumbered(3), w.readingNumbered(4))}},
		Rejects: []uint64{4}, Values: []fsm.ObservedValue{{Number: 3, Register: 501}},
	}, "0", 2)
	attested := w.good("attestation", "the range's hash is SHA-256 over the identities in order of their numbers; one is rejected, of one the oracle saw another value",
		signed(fsm.TypeAttest, attest, "olga"), "olga")
	attested.Identities = []string{w.readingNumbered(3).Identity().String(), w.readingNumbered(4).Identity().String()}
	supersede := w.payload("sunny", &fsm.SubmitReading{
		Market: market, Meter: "full-1", Register: 710, MeasuredAt: started - 60*minute,
		Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"}, Supersedes: (*[32]byte)(identityOf(w.readingNumbered(4))),
	}, "m/full-1", 3)
	w.salts = 100
	threshold := w.threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 2_500}, Reference: "Überweisung 7 – “november”"})
	return []goodCommand{
		next,
		w.good("another layout", "members in any order, white space between them: the payload's bytes count as they are, so the identity is another",
			signed(fsm.TypeSubmitReading, spaced, "sunny"), "sunny"),
		w.good("another order", "the order of members is free", signed(fsm.TypeSubmitReading, reordered, "sunny"), "sunny"),
		w.good("numbered lane", "lanes 0 to 15 of the key are good for any of its meters", signed(fsm.TypeSubmitReading, w.roof("7", 1), "sunny"), "sunny"),
		w.good("skipped nonces", "a nonce may leave out up to 2^20", signed(fsm.TypeSubmitReading, w.roof("m/roof-1", 2+fsm.MaxNonceGap), "sunny"), "sunny"),
		w.good("largest register", "64-bit numbers are decimal strings, or some languages would round them",
			signed(fsm.TypeSubmitReading, large, "windy"), "windy"),
		w.good("correction", "a reading that is not decided yet is superseded by one with the same time, also where the meter has no more room",
			signed(fsm.TypeSubmitReading, supersede, "sunny"), "sunny"),
		attested,
		w.good("deposit by two", "a threshold command has a salt and as many signatures as people; text is UTF-8 as it is, without escapes",
			threshold.Envelope(), "ann", "ben"),
	}
}

func badCommands(w *world) []badCommand {
	e := editor{w: w, roof: w.roof("m/roof-1", 3)}
	e.whole = text(signed(fsm.TypeSubmitReading, e.roof, "sunny").JSON())
	return slices.Concat(e.envelopes(), e.payloads(), e.signatures(), e.refusedByState())
}

// editor makes bad commands out of a good one.
type editor struct {
	w     *world
	roof  text // the payload of the next reading of roof-1
	whole text // its envelope
}

// reading signs a payload, as sunny unless others are named.
func (e editor) reading(p text, who ...string) string {
	if who == nil {
		who = []string{"sunny"}
	}
	return string(signed(fsm.TypeSubmitReading, p, who...).JSON())
}

// edited changes the payload and signs it.
func (e editor) edited(old, changed string) string {
	return e.reading(e.roof.with(e.w.t, old, changed))
}

// raw changes the envelope.
func (e editor) raw(old, changed string) string { return string(e.whole.with(e.w.t, old, changed)) }

func (e editor) times(issuedAt, expiresAt int64) string {
	stated := func(issued, expires int64) string {
		return fmt.Sprintf(`"issued_at":%d,"expires_at":%d`, issued, expires)
	}
	return e.edited(stated(e.w.now, e.w.now+60*minute), stated(issuedAt, expiresAt))
}

func (e editor) measured(ms int64) string {
	return e.edited(`"measured_at":1764000000000`, fmt.Sprintf(`"measured_at":%d`, ms))
}

// full is a reading for which its meter has no room.
func (e editor) full() text {
	return e.w.payload("sunny", &fsm.SubmitReading{
		Market: market, Meter: "full-1", Register: 900, MeasuredAt: started - 30*minute, Quality: fsm.Quality{ClockSync: "ntp", MeterStatus: "ok"},
	}, "m/full-1", 3)
}

// attest changes an attestation and signs it.
func (e editor) attest(old, changed string) string {
	ranges := []fsm.AttestedRange{{From: 3, To: 3, Hash: rangeHash(e.w.readingNumbered(3))}}
	p := e.w.payload("olga", &fsm.Attest{Market: market, Ranges: ranges}, "0", 2)
	return string(signed(fsm.TypeAttest, p.with(e.w.t, old, changed), "olga").JSON())
}

func keyIDOf(name string) string { return envelope.KeyIDOf(public(name)).String() }

func (e editor) envelopes() []badCommand {
	signer, whole := keyIDOf("sunny"), string(e.whole)
	sig := signed(fsm.TypeSubmitReading, e.roof, "sunny").Signatures[0].Sig
	none := signed(fsm.TypeSubmitReading, e.roof)
	return []badCommand{
		e.w.bad("not JSON", inEnvelope, fsm.MalformedPayload, whole[:len(whole)-1]),
		e.w.bad("member twice", inEnvelope, fsm.MalformedPayload, e.raw(`{"payloadType"`, `{"payloadType":"x","payloadType"`)),
		e.w.bad("no payload type", inEnvelope, fsm.MalformedPayload, e.raw(`"payloadType":"application/vnd.tallyvault.submit_reading.v1+json",`, "")),
		e.w.bad("unknown command", inEnvelope, fsm.MalformedPayload, e.raw("submit_reading", "guess_reading")),
		e.w.bad("no signature", inEnvelope, fsm.MalformedPayload, string(none.JSON())),
		e.w.bad("no key id", inEnvelope, fsm.MalformedPayload, e.raw(`"keyid":"`+signer+`",`, "")),
		e.w.bad("key id in capitals", inEnvelope, fsm.MalformedPayload, e.raw(signer, strings.ToUpper(signer))),
		e.w.bad("signature cut short", inEnvelope, fsm.MalformedPayload, e.raw(base64.StdEncoding.EncodeToString(sig[:]), base64.StdEncoding.EncodeToString(sig[:63]))),
		e.w.bad("line break in base64", inEnvelope, fsm.MalformedPayload, e.raw(`"payload":"`, `"payload":"\n`)),
		e.w.bad("something behind it", inEnvelope, fsm.MalformedPayload, whole+"{}"),
		e.w.bad("two signatures", inEnvelope, fsm.MalformedPayload, e.reading(e.roof, "sunny", "windy")),
	}
}

func (e editor) payloads() []badCommand {
	cluster := e.w.genesis.ClusterID()
	return []badCommand{
		e.w.bad("unknown member", inPayload, fsm.MalformedPayload, e.edited(`{"cluster"`, `{"colour":"red","cluster"`)),
		e.w.bad("member missing", inPayload, fsm.MalformedPayload, e.edited(`"market":"energy",`, "")),
		e.w.bad("payload member twice", inPayload, fsm.MalformedPayload, e.edited(`"market":"energy",`, `"market":"energy","market":"energy",`)),
		e.w.bad("null", inPayload, fsm.MalformedPayload, e.edited(`"market":"energy"`, `"market":null`)),
		e.w.bad("register as a number", inPayload, fsm.MalformedPayload, e.edited(`"register":"1003000"`, `"register":1003000`)),
		e.w.bad("register with leading zero", inPayload, fsm.MalformedPayload, e.edited(`"register":"1003000"`, `"register":"01003000"`)),
		e.w.bad("register of 65 bits", inPayload, fsm.MalformedPayload, e.edited(`"register":"1003000"`, `"register":"18446744073709551616"`)),
		e.w.bad("time with a fraction", inPayload, fsm.MalformedPayload, e.edited(`"measured_at":1764000000000`, `"measured_at":1764000000000.0`)),
		e.w.bad("cluster in capitals", inPayload, fsm.MalformedPayload, e.edited(cluster, strings.ToUpper(cluster))),
		e.w.bad("invalid UTF-8", inPayload, fsm.MalformedPayload, e.edited(`"meter_status":"ok"`, "\"meter_status\":\"\xff\"")),
		e.w.bad("something behind the payload", inPayload, fsm.MalformedPayload, e.reading(e.roof+" {}")),
	}
}

func (e editor) signatures() []badCommand {
	flipped, borrowed := signed(fsm.TypeSubmitReading, e.roof, "sunny"), signed(fsm.TypeSubmitReading, e.roof, "sunny")
	flipped.Signatures[0].Sig[63] ^= 0x10
	other := e.roof.with(e.w.t, `"register":"1003000"`, `"register":"1003001"`)
	borrowed.Signatures = signed(fsm.TypeSubmitReading, other, "sunny").Signatures
	bare := envelope.Envelope{PayloadType: fsm.TypeSubmitReading.PayloadType(), Payload: []byte(e.roof)}
	bare.Signatures = signed(fsm.TypeAttest, e.roof, "sunny").Signatures
	stranger := e.roof.with(e.w.t, keyIDOf("sunny"), keyIDOf("stranger"))
	return []badCommand{
		e.w.bad("unknown key", inSignature, fsm.UnknownKey, e.reading(stranger, "stranger")),
		e.w.bad("signature changed", inSignature, fsm.SignatureInvalid, string(flipped.JSON())),
		e.w.bad("signature of another payload", inSignature, fsm.SignatureInvalid, string(borrowed.JSON())),
		e.w.bad("signature of another type", inSignature, fsm.SignatureInvalid, string(bare.JSON())),
		e.w.bad("another signer than named", inSignature, fsm.SignatureInvalid, e.reading(e.roof, "windy")),
	}
}

func (e editor) refusedByState() []badCommand {
	cluster, full := e.w.genesis.ClusterID(), e.full()
	windy := e.roof.with(e.w.t, keyIDOf("sunny"), keyIDOf("windy"))
	lone := e.w.threshold(&fsm.Deposit{Account: "payer/city", Asset: "BLOCK", Amount: fsm.Amount{Lo: 1}, Reference: "one hand"}).Envelope()
	lone.Signatures = lone.Signatures[:1]
	return []badCommand{
		e.w.bad("another cluster", inState, fsm.WrongCluster, e.edited(cluster, strings.Repeat("0", 32))),
		e.w.bad("another era", inState, fsm.WrongEra, e.edited(`"era":"0-`, `"era":"1-`)),
		e.w.bad("expired", inState, fsm.Expired, e.times(e.w.now-61*minute, e.w.now-1)),
		e.w.bad("lives longer than a day", inState, fsm.Expired, e.times(e.w.now, e.w.now+24*60*minute+1)),
		e.w.bad("unknown lane", inState, fsm.NotFound, e.edited(`"lane":"m/roof-1"`, `"lane":"16"`)),
		e.w.bad("lane of no meter", inState, fsm.NotFound, e.edited(`"lane":"m/roof-1"`, `"lane":"m/cellar-1"`)),
		e.w.bad("lane of another's meter", inState, fsm.MeterMismatch, e.edited(`"lane":"m/roof-1","nonce":"3"`, `"lane":"m/mill-1","nonce":"1"`)),
		e.w.bad("nonce again", inState, fsm.NonceReplay, e.edited(`"nonce":"3"`, `"nonce":"2"`)),
		e.w.bad("nonce zero", inState, fsm.NonceReplay, e.edited(`"nonce":"3"`, `"nonce":"0"`)),
		e.w.bad("nonce too far ahead", inState, fsm.LimitExceeded, e.edited(`"nonce":"3"`, `"nonce":"1048579"`)),
		e.w.bad("meter on another's lane", inState, fsm.MeterMismatch, e.edited(`"meter":"roof-1"`, `"meter":"full-1"`)),
		e.w.bad("another's meter", inState, fsm.MeterMismatch, e.reading(windy.with(e.w.t, `"lane":"m/roof-1"`, `"lane":"0"`), "windy")),
		e.w.bad("clock ahead", inState, fsm.TimestampSkew, e.times(e.w.now+5*minute+1, e.w.now+60*minute)),
		e.w.bad("clock behind", inState, fsm.TimestampSkew, e.times(e.w.now-5*minute-1, e.w.now+50*minute)),
		e.w.bad("measured in the future", inState, fsm.TimestampSkew, e.measured(e.w.now+5*minute+1)),
		e.w.bad("measured before the base", inState, fsm.SettlementConflict, e.measured(started-30*minute)),
		e.w.bad("measured twice", inState, fsm.SettlementConflict, string(signed(fsm.TypeSubmitReading, full.with(e.w.t, `"measured_at":1763998200000`, `"measured_at":1763996400000`), "sunny").JSON())),
		e.w.bad("no room for the meter", inState, fsm.LimitExceeded, string(signed(fsm.TypeSubmitReading, full, "sunny").JSON())),
		e.w.bad("range hash of another reading", inState, fsm.SettlementConflict, e.attest(hex.EncodeToString(hashOf(rangeHash(e.w.readingNumbered(3)))), strings.Repeat("0", 64))),
		e.w.bad("attestation of what is not", inState, fsm.NotFound, e.attest(`"to":"3"`, `"to":"5"`)),
		e.w.bad("too few admins", inState, fsm.Unauthorized, string(lone.JSON())),
	}
}

// readingNumbered is a reading of the history.
func (w *world) readingNumbered(n int) *fsm.Command {
	w.t.Helper()
	for _, raw := range w.entries {
		e, err := fsm.DecodeEntry(raw)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, c := range e.Commands {
			if _, ok := c.Body().(*fsm.SubmitReading); !ok {
				continue
			}
			if n--; n == 0 {
				return c
			}
		}
	}
	w.t.Fatal("no such reading")
	return nil
}

func identityOf(c *fsm.Command) *envelope.Identity { id := c.Identity(); return &id }

func hashOf(h [32]byte) []byte { return h[:] }
