package transport

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"os"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write deploy/openapi.json anew")

const documentFile = "../deploy/openapi.json"

// The committed document is what other people's generators read: a change of
// the API must show in a review.
func TestOpenAPIIsCommitted(t *testing.T) {
	d := newDoor(Config{
		Limits: Limits{}.withDefaults(), Logger: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry(),
	})
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
		"checkpoint": true, "tile": true, "policy": true, "genesis": true,
	}
	for path, methods := range document.Paths {
		for method, op := range methods {
			if _, ok := op.Responses["default"]; !ok {
				t.Errorf("%s %s documents no problem", method, path)
			}
			if (len(op.Security) == 0) != public[op.OperationID] {
				t.Errorf("%s %s (%s): security is %v", method, path, op.OperationID, op.Security)
			}
		}
	}
}
