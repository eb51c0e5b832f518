package agent

import (
	"encoding/json"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Schema is the JSON Schema (draft 2020-12) of a policy file, made from the types
// that read it.
func Schema() ([]byte, error) {
	registry := huma.NewMapRegistry("#/$defs/", huma.DefaultSchemaNamer)
	root := registry.Schema(reflect.TypeFor[Policy](), true, "")
	for _, s := range registry.Map() {
		for _, member := range s.Properties {
			member.Nullable = false // null is refused: an absent limit is none
		}
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Policy of an oracle agent",
		"$ref":    root.Ref,
		"$defs":   registry.Map(),
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(text, '\n'), nil
}
