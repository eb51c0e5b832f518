package transport

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

var update = flag.Bool("update", false, "write deploy/openapi.json and deploy/schemas anew")

const documentFile = "../deploy/openapi.json"

// unconnected is a door without a node: enough to describe itself.
func unconnected() *Door {
	return newDoor(Config{
		Limits: Limits{}.withDefaults(), Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
}

// The committed document is what other people's generators read: a change of
// the API must show in a review.
func TestOpenAPIIsCommitted(t *testing.T) {
	d := unconnected()
	got, err := d.Document()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(documentFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says: run go test ./transport -run OpenAPI -update and look at the difference", documentFile)
	}
	var document struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string           `json:"operationId"`
			Responses   map[string]any   `json:"responses"`
			Security    []map[string]any `json:"security"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(got, &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" {
		t.Errorf("openapi is %q", document.OpenAPI)
	}
	public := map[string]bool{
		"submit": true, "submit-batch": true, "outcome": true, "nodes": true, "receipt": true, "receipt-proof": true,
		"checkpoint": true, "tile": true, "policy": true, "genesis": true, "openapi": true, "schemas": true, "schema": true, "reference": true,
		"events":              true,
		"disbursement-submit": true, "disbursement-amend": true, "disbursement-open": true, "disbursement-vote": true, "disbursement-queue": true,
		"disbursement-execute": true, "disbursement-rollback": true, "disbursement-cancel": true, "disbursement-veto": true,
	}
	for path, methods := range document.Paths {
		for method, op := range methods {
			if _, ok := op.Responses["default"]; !ok {
				t.Errorf("%s %s documents no problem", method, path)
			}
			// An empty requirement among them is one that everybody fulfils.
			free := slices.ContainsFunc(op.Security, func(r map[string]any) bool { return len(r) == 0 })
			if len(op.Security) == 0 || free != public[op.OperationID] {
				t.Errorf("%s %s (%s): security is %v", method, path, op.OperationID, op.Security)
			}
		}
	}
}

// What the document says that there is, is what the code makes.
func TestOpenAPISetsAreComplete(t *testing.T) {
	receipts := []string{}
	for _, f := range fsm.ReceiptForms() {
		if f.Kind != api.KindReading { // it is told as closed or rejected
			receipts = append(receipts, f.Kind)
		}
	}
	events := append([]string{api.EventAccepted, api.EventClosed, api.EventRejected, api.EventOutcome, api.EventUndecodable, api.EventCheckpoint}, receipts...)
	waits := append(slices.Collect(maps.Keys(sentences)), treasury.WaitRetry,
		api.WaitQuorum, api.WaitEarlier, api.WaitReading, api.WaitFunds, api.WaitWindow, api.WaitFinality)
	schemas := unconnected().api.OpenAPI().Components.Schemas.Map()
	documented := func(name, member string) (values []string) {
		for _, v := range schemas[name].Properties[member].Enum {
			values = append(values, v.(string))
		}
		return values
	}
	for name, c := range map[string]struct{ told, made []string }{
		"kinds that are explained": {documented("Explanation", "kind"), kinds()},
		"what is waited for":       {documented("Wait", "for"), waits},
		"kinds of events":          {api.EventKinds(), events},
	} {
		told, made := slices.Sorted(slices.Values(c.told)), slices.Compact(slices.Sorted(slices.Values(c.made)))
		if !slices.Equal(told, made) {
			t.Errorf("%s: the document says\n%v\nthe code makes\n%v", name, told, made)
		}
	}
}

const schemasDir = "../deploy/schemas"

// So are the schemas: one file each, and no file that is none any more.
func TestOpenAPISchemasAreCommitted(t *testing.T) {
	schemas, err := unconnected().Schemas()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.RemoveAll(schemasDir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(schemasDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range schemas {
			if err := os.WriteFile(filepath.Join(schemasDir, name+".json"), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	const remedy = "run go test ./transport -run OpenAPI -update and look at the difference"
	files, err := os.ReadDir(schemasDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, known := schemas[strings.TrimSuffix(f.Name(), ".json")]; !known {
			t.Errorf("%s/%s is the schema of nothing: %s", schemasDir, f.Name(), remedy)
		}
	}
	for name, want := range schemas {
		got, err := os.ReadFile(filepath.Join(schemasDir, name+".json"))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s/%s.json is not what the code says (%v): %s", schemasDir, name, err, remedy)
		}
	}
}
