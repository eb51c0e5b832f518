package agent

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

var update = flag.Bool("update", false, "write generated files anew")

const schemaFile = "../../deploy/examples/oracle_policy.schema.json"

// The schema that is published is that of the types.
func TestSchemaIsPublished(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the types say: go test ./transport/agent -run Schema -update (%v)", schemaFile, err)
	}
}

// valid says whether a text fits the schema.
func valid(t *testing.T, text string) bool {
	t.Helper()
	registry := huma.NewMapRegistry("#/$defs/", huma.DefaultSchemaNamer)
	schema := registry.Schema(reflect.TypeFor[Policy](), true, "")
	for _, s := range registry.Map() {
		for _, member := range s.Properties {
			member.Nullable = false
		}
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return false
	}
	var result huma.ValidateResult
	huma.Validate(registry, schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	return len(result.Errors) == 0
}

// What the schema takes and refuses is what the parser does, as far as a schema
// can say it.
func TestSchemaAgreesWithTheParser(t *testing.T) {
	for _, text := range []string{examplePolicy, documented(t), ruled(`"stale_run": {"readings": 2}`)} {
		if !valid(t, text) {
			t.Errorf("the schema refuses %s", text)
		}
	}
	for _, member := range []string{
		`"max_delta_per_hours": "1"`, `"max_delta_per_hour": 1`, `"max_delta_per_hour": "01"`,
		`"stale_run": {"readings": 1}`, `"stale_run": {"readings": 3, "vote": "accept"}`, `"repeated_deltas": {"readings": 2}`,
		`"night": {"from": "25:00", "to": "04:00", "utc_offset": "Z", "max_delta": "0"}`, `"night": {"from": "22:00"}`,
		`"site": {"latitude": 91, "longitude": 181}`, `"outlier": {"steps": 2, "deviations": 1, "margin_per_hour": "0"}`,
	} {
		if valid(t, ruled(member)) {
			t.Errorf("the schema takes %s", member)
		}
	}
}
