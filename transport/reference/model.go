package reference

import (
	"bytes"
	"encoding/json"
	"slices"
)

// document is the part of an OpenAPI document that the page shows.
type document struct {
	Info struct {
		Title, Description, Version string
	}
	Tags       []tag
	Paths      map[string]map[string]operation
	Components struct {
		Schemas map[string]*schema
	}
}

type tag struct{ Name, Description string }

type operation struct {
	OperationID string `json:"operationId"`
	Summary     string
	Description string
	Tags        []string
	Parameters  []parameter
	RequestBody *struct{ Content map[string]media }
	Responses   map[string]response
	Security    []map[string][]string
}

type parameter struct {
	Name, In, Description string
	Required              bool
	Schema                schema
}

type response struct {
	Description string
	Content     map[string]media
}

type media struct{ Schema schema }

// schema is what the page reads of a JSON Schema.
type schema struct {
	Ref         string `json:"$ref"`
	Description string
	Type        string
	Format      string
	Const       string
	Enum        []any
	Pattern     string
	Default     any
	Minimum     json.Number
	Maximum     json.Number
	MaxLength   int
	MinItems    int
	MaxItems    int
	Items       *schema
	Properties  properties
	Required    []string
	AnyOf       []schema
	AllOf       []schema
	// AdditionalProperties is a boolean or the schema of all members.
	AdditionalProperties json.RawMessage
}

type property struct {
	name   string
	schema *schema
}

// properties are the members of an object in the document's order.
type properties []property

// UnmarshalJSON keeps the order, which a map would lose.
func (p *properties) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		one := property{name: name.(string), schema: new(schema)}
		if err := d.Decode(one.schema); err != nil {
			return err
		}
		*p = append(*p, one)
	}
	return nil
}

// members are the properties as people read them: those that must be there first,
// in the order in which they are required, which is the order of declaration.
func (s *schema) members() []property {
	rank := func(p property) int {
		if i := slices.Index(s.Required, p.name); i >= 0 {
			return i
		}
		return len(s.Required)
	}
	sorted := slices.Clone(s.Properties)
	slices.SortStableFunc(sorted, func(a, b property) int { return rank(a) - rank(b) })
	return sorted
}
