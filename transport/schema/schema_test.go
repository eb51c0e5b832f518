package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/schema"
	"github.com/tallyvault/tallyvault/treasury"
)

// described is a type that travels, with its codec and its schema compiled by
// somebody else's library.
type described struct {
	name   string
	kind   string // of a receipt
	shape  *strict.Shape
	empty  func() any
	schema *jsonschema.Schema
}

func all(t *testing.T) []described {
	t.Helper()
	components := map[string]json.RawMessage{}
	add := func(name string, s *schema.Schema) {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		components[name] = text
	}
	for _, p := range schema.Shared() {
		add(p.Name, p.Schema)
	}
	for _, n := range append(schema.Payloads(), schema.Receipts()...) {
		add(n.Name, n.Schema)
	}
	var out []described
	for _, f := range fsm.CommandForms() {
		name := schema.PayloadName(f.Name)
		out = append(out, described{name, "", f.Shape, f.New, compiled(t, name, components)})
	}
	for _, f := range fsm.ReceiptForms() {
		name := schema.ReceiptName(f.Kind)
		out = append(out, described{name, f.Kind, f.Shape, f.New, compiled(t, name, components)})
	}
	return out
}

func compiled(t *testing.T, name string, components map[string]json.RawMessage) *jsonschema.Schema {
	t.Helper()
	text, err := schema.Alone(name, components)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schema.ID(name), parse(t, text)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schema.ID(name))
	if err != nil {
		t.Fatalf("%s is not a JSON Schema: %v", name, err)
	}
	return s
}

func parse(t interface{ Fatal(...any) }, text []byte) any {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whatever the codec writes is right by the schema.
func TestWhatTheCodecWritesIsValid(t *testing.T) {
	for _, d := range all(t) {
		t.Run(d.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				text := d.draw(t)
				if err := d.schema.Validate(parse(t, text)); err != nil {
					t.Fatalf("%s\n%v", text, err)
				}
			})
		})
	}
}

// What was mangled is refused by the schema just when the codec refuses it.
func TestCodecAndSchemaAgreeOnMangledObjects(t *testing.T) {
	for _, d := range all(t) {
		t.Run(d.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				v := parse(t, d.draw(t))
				what := mangle(t, v)
				text, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				codec := strict.Decode(text, d.empty())
				if schema := d.schema.Validate(parse(t, text)); (codec == nil) != (schema == nil) {
					t.Fatalf("%s\n%s\nthe codec says %v\nthe schema says %v", what, text, codec, schema)
				}
			})
		})
	}
}

// draw makes a random object of the type as its codec writes it.
func (d described) draw(t *rapid.T) []byte {
	v := d.empty()
	fill(t, reflect.ValueOf(v).Elem(), "")
	if d.kind != "" { // which no receipt chooses itself
		reflect.ValueOf(v).Elem().FieldByName("Kind").SetString(d.kind)
	}
	return strict.Encode(v)
}

// examples are values of each form.
var examples = map[string][]string{
	"id":      {"a", "roof-1", "a.b_c-9", "x" + strings.Repeat("9", 63)},
	"word":    {"", "ntp", "a" + strings.Repeat("z", 31)},
	"asset":   {"BLOCK", "e", "A" + strings.Repeat("-", 31)},
	"account": {"treasury", "payer/city", "provider/sunny"},
	"lane":    {"0", "9", "10", "15", "m/roof-1"},
	"era":     {"0-" + strings.Repeat("0", 64), "17-" + strings.Repeat("a", 64)},
}

// fill sets everything in a value at random, as the tags allow.
func fill(t *rapid.T, v reflect.Value, tag reflect.StructTag) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(t, tag))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint") >> (64 - v.Type().Bits()))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "there") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), tag)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		fallthrough
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			reflect.Copy(v, reflect.ValueOf(rapid.SliceOfN(rapid.Byte(), v.Len(), v.Len()).Draw(t, "bytes")))
			return
		}
		for i := range v.Len() {
			fill(t, v.Index(i), "")
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), v.Type().Field(i).Tag)
		}
	default:
		t.Fatalf("no random %v", v.Type())
	}
}

func text(t *rapid.T, tag reflect.StructTag) string {
	if values, ok := tag.Lookup("enum"); ok {
		return rapid.SampledFrom(strings.Split(values, ",")).Draw(t, "enum")
	}
	if form := tag.Get("form"); form != "" {
		return rapid.SampledFrom(examples[form]).Draw(t, form)
	}
	return rapid.String().Draw(t, "text")
}

// wrong are values that are wrong in most places, each in its own way. None is
// right by the codec and refused for an enum or a form.
var wrong = []any{
	nil, true, json.Number("-1"), json.Number("256"), json.Number("4294967296"), json.Number("9223372036854775808"),
	json.Number("0.5"), "00", "+1", "-1", "18446744073709551616", "340282366920938463463374607431768211456", "0x1",
	[]any{},
	[]any{json.Number("1")},
	map[string]any{},
	map[string]any{"a": "b"},
}

// mangle changes one thing somewhere in an object.
func mangle(t *rapid.T, v any) string {
	where := places(v, nil)
	at := rapid.SampledFrom(where).Draw(t, "place")
	old := at.parent[at.name]
	switch rapid.IntRange(0, 5).Draw(t, "way") {
	case 0:
		delete(at.parent, at.name)
		return "without " + at.name
	case 1:
		at.parent[at.name+"_"] = old
		return "with another member beside " + at.name
	case 2:
		delete(at.parent, at.name)
		at.parent[strings.ToUpper(at.name)] = old
		return "with " + at.name + " in upper case"
	case 3:
		if s, ok := old.(string); ok && regexp.MustCompile(`^[0-9a-f]{8,}$`).MatchString(s) {
			at.parent[at.name] = rapid.SampledFrom([]string{s[1:], s[2:], s + "00", "A" + s[1:], "g" + s[1:], " " + s}).Draw(t, "hex")
			return "with other hex in " + at.name
		}
		fallthrough
	default:
		at.parent[at.name] = rapid.SampledFrom(wrong).Filter(func(w any) bool { _, text := w.(string); return !text || !at.free(old) }).Draw(t, "wrong")
		return fmt.Sprintf("with %v in %s", at.parent[at.name], at.name)
	}
}

// place is a member of an object.
type place struct {
	parent map[string]any
	name   string
}

// free says that the member holds a text which is no number: another text could
// be right by the codec and wrong by an enum or a form.
func (p place) free(old any) bool {
	s, ok := old.(string)
	return ok && !regexp.MustCompile(`^([0-9]{6,}|[0-9a-f]{8,})$`).MatchString(s)
}

func places(v any, found []place) []place {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			found = places(v[name], append(found, place{v, name}))
		}
	case []any:
		for _, inner := range v {
			found = places(inner, found)
		}
	}
	return found
}

// What tags say of values must be what the rules say.
func TestEnumsAreTheRules(t *testing.T) {
	enums := map[string][]string{}
	for _, d := range all(t) {
		for _, m := range d.shape.Members {
			if values, ok := m.Tag.Lookup("enum"); ok {
				enums[d.name+"."+m.Name] = strings.Split(values, ",")
			}
		}
	}
	row := func(change func(*oracle.Market, string)) func(string) bool {
		return func(value string) bool {
			preset, err := genesis.Preset(genesis.ProfileDemo)
			if err != nil {
				t.Fatal(err)
			}
			p := preset.Markets[0]
			m := oracle.Market{
				ID: p.Market, Noun: p.Noun, Unit: p.Unit, Asset: p.Asset, UnitPrice: p.UnitPrice, FeeBps: p.FeeBps,
				SkewMs: p.SkewMs, MaxReadingAgeMs: p.MaxReadingAgeMs, DeviationPpm: p.DeviationPpm,
				QuorumThresholdPpm: p.QuorumThresholdPpm, ExpiryBlocks: p.ExpiryBlocks, DisputeWindowBlocks: p.DisputeWindowBlocks,
				MaxPendingPerMeter: p.MaxPendingPerMeter, MaxLiveReadings: p.MaxLiveReadings, Mode: p.Mode, Stage: p.Stage,
			}
			change(&m, value)
			return m.Validate() == nil
		}
	}
	for member, rule := range map[string]func(string) bool{
		"RegisterPrincipalPayload.role": genesis.ValidRole,
		"SetMarketPayload.mode":         row(func(m *oracle.Market, v string) { m.Mode = v }),
		"SetMarketPayload.stage":        row(func(m *oracle.Market, v string) { m.Stage = v }),
		"RebaseMeterPayload.reason":     func(v string) bool { return v == oracle.RebaseRollover || v == oracle.RebaseSwap },
	} {
		if len(enums[member]) == 0 {
			t.Errorf("%s has no enum", member)
		}
		for _, value := range enums[member] {
			if !rule(value) {
				t.Errorf("%s: the rules refuse %q", member, value)
			}
		}
		if rule("nonsense") {
			t.Errorf("%s: the rule asked takes anything", member)
		}
	}
}

// Where the rules have a list, the tags have all of it: a value that is left out is one
// that clients refuse.
func TestEnumsAreComplete(t *testing.T) {
	var statuses, states []string
	for _, s := range treasury.Statuses() {
		statuses = append(statuses, s.String())
	}
	for s := treasury.Requested; s <= treasury.Recalled; s++ {
		states = append(states, s.String())
	}
	enum := func(of any, field string) []string {
		f, _ := reflect.TypeOf(of).FieldByName(field)
		return strings.Split(f.Tag.Get("enum"), ",")
	}
	for name, c := range map[string]struct{ tag, rules []string }{
		"a disbursement's receipt": {enum(fsm.DisbursementReceipt{}, "Status"), statuses},
		"a disbursement":           {enum(api.Disbursement{}, "Status"), statuses},
		"a withdrawal's receipt":   {enum(fsm.WithdrawalReceipt{}, "State"), states},
		"a withdrawal":             {enum(api.Withdrawal{}, "State"), states},
		"a verdict":                {enum(fsm.Vote{}, "Verdict"), []string{fsm.VerdictApprove, fsm.VerdictReject}},
		"a ballot":                 {enum(api.Ballot{}, "Verdict"), enum(fsm.Vote{}, "Verdict")},
	} {
		if !slices.Equal(c.tag, c.rules) {
			t.Errorf("%s: the tag says %v, the rules %v", name, c.tag, c.rules)
		}
	}
}

func TestDecimalsEndAtTheirBound(t *testing.T) {
	for _, p := range schema.Shared() {
		pattern := regexp.MustCompile(p.Schema.Pattern)
		most := strings.TrimPrefix(p.Schema.Pattern[strings.LastIndex(p.Schema.Pattern, "|"):], "|")
		most = strings.TrimSuffix(most, ")$")
		rapid.Check(t, func(t *rapid.T) {
			n := rapid.StringMatching(`[0-9]{1,41}`).Draw(t, "n")
			// Half of them share a beginning with the bound.
			if rapid.Bool().Draw(t, "near") {
				keep := rapid.IntRange(0, len(most)).Draw(t, "keep")
				n = most[:keep] + n
				n = n[:min(len(n), max(len(most), keep))]
			}
			want := (n == "0" || n[0] != '0') && (len(n) < len(most) || len(n) == len(most) && n <= most)
			if pattern.MatchString(n) != want {
				t.Fatalf("%s: %q is taken: %v", p.Name, n, !want)
			}
		})
	}
}
