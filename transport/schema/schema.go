package schema

import (
	"bytes"
	"encoding/json"
)

// Dialect is the version of JSON Schema.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

// Schema is the part of JSON Schema that payloads and receipts need. Its members
// are written in this order.
type Schema struct {
	Ref         string      `json:"$ref,omitempty"`
	Title       string      `json:"title,omitempty"`
	Description string      `json:"description,omitempty"`
	Type        string      `json:"type,omitempty"`
	Const       string      `json:"const,omitempty"`
	Enum        []string    `json:"enum,omitempty"`
	Pattern     string      `json:"pattern,omitempty"`
	Minimum     json.Number `json:"minimum,omitempty"`
	Maximum     json.Number `json:"maximum,omitempty"`
	Items       *Schema     `json:"items,omitempty"`
	MinItems    int         `json:"minItems,omitempty"`
	MaxItems    int         `json:"maxItems,omitempty"`
	Properties  Properties  `json:"properties,omitempty"`
	Required    []string    `json:"required,omitempty"`
	// Closed objects have no other members than those of Properties.
	Closed Closed `json:"additionalProperties,omitzero"`
}

// Property is a named schema.
type Property struct {
	Name   string
	Schema *Schema
}

// Properties are the members of an object in the order in which they are written.
type Properties []Property

// MarshalJSON writes an object with the properties in their order.
func (p Properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, one := range p {
		b.WriteByte([]byte("{,")[min(i, 1)])
		name, err := json.Marshal(one.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(one.Schema)
		if err != nil {
			return nil, err
		}
		b.Write(append(append(name, ':'), value...))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Closed says that an object has no further members. It is written as false, the
// schema that nothing fulfils.
type Closed bool

// MarshalJSON writes what additionalProperties must be.
func (c Closed) MarshalJSON() ([]byte, error) { return json.Marshal(!bool(c)) }
