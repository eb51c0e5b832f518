package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/schema"
)

// foreign are pages that show JSON which is not the API's, and who tests it.
var foreign = map[string]string{
	"deploy/examples/python/README.md": "lines that the gateway reads; its own tests read them",
	"deploy/examples/nodejs/README.md": "the same",
}

// JSON on a page, and the JSON files of the examples, are right by their schemas.
func TestDocumentedJSONIsValid(t *testing.T) {
	checked := 0
	for _, e := range examples(t) {
		if !e.json || foreign[e.page] != "" {
			continue
		}
		name := e.schema
		if name == "" {
			name = schemaOf([]byte(e.text))
		}
		if name == "" {
			t.Errorf("%s\n\tis no envelope, receipt or problem. Name its schema behind the fence (```json Meters; deploy/schemas has them), or add the page to foreign in docs_json_test.go", e)
			continue
		}
		checked++
		if err := valid(t, name, []byte(e.text)); err != nil {
			t.Errorf("%s\n\tis not a %s: %v", e, name, err)
		}
	}
	files, err := filepath.Glob(repository + "/deploy/examples/**/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if name := schemaOf(text); name != "" {
			checked++
			if err := valid(t, name, text); err != nil {
				t.Errorf("%s is not a %s: %v", file, name, err)
			}
		}
	}
	if checked == 0 {
		t.Error("no JSON was found, and there is some in deploy/examples/vectors")
	}
}

// schemaOf tells by its members what a text is.
func schemaOf(text []byte) string {
	var has struct {
		PayloadType string          `json:"payloadType"`
		Kind        string          `json:"kind"`
		Entry       json.RawMessage `json:"entry"`
		Code        string          `json:"code"`
		Recovery    string          `json:"recovery"`
		Runbook     string          `json:"runbook"`
	}
	if err := json.Unmarshal(text, &has); err != nil {
		return ""
	}
	switch {
	case has.PayloadType != "":
		return "Envelope"
	case has.Kind != "" && has.Entry != nil:
		return schema.ReceiptName(has.Kind)
	case has.Code != "" && has.Recovery != "" && has.Runbook != "":
		return "Problem"
	}
	return ""
}

// valid holds a text to a committed schema, and the payload in an envelope to its own.
func valid(t *testing.T, name string, text []byte) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	s, err := c.Compile(filepath.Join(repository, "deploy/schemas", name+".json"))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err == nil {
		err = s.Validate(v)
	}
	if err != nil || name != "Envelope" {
		return err
	}
	envelope := v.(map[string]any)
	for _, f := range fsm.CommandForms() {
		if envelope["payloadType"] == f.PayloadType {
			payload, err := base64.StdEncoding.DecodeString(strings.TrimSpace(envelope["payload"].(string)))
			if err != nil {
				return err
			}
			return valid(t, schema.PayloadName(f.Name), payload)
		}
	}
	return nil // genesis and its like have no schema
}

// The payloads of the test vectors that are good are right by their schemas.
func TestVectorsFollowTheirSchemas(t *testing.T) {
	text, err := os.ReadFile(repository + "/deploy/examples/vectors/commands.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Good []struct {
			Name        string
			PayloadType string `json:"payload_type"`
			Payload     string
		}
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors.Good) < 5 {
		t.Errorf("%d good vectors", len(vectors.Good))
	}
	for _, v := range vectors.Good {
		for _, f := range fsm.CommandForms() {
			if f.PayloadType == v.PayloadType {
				if err := valid(t, schema.PayloadName(f.Name), []byte(v.Payload)); err != nil {
					t.Errorf("%s: %v", v.Name, err)
				}
			}
		}
	}
}
