package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Components is where the schemas of a document lie that others refer to.
const Components = "#/components/schemas/"

// Names of the two schemas that all others share.
const (
	Uint64 = "Uint64"
	Amount = "Amount"
)

// Shared are the schemas that all others refer to.
func Shared() Properties {
	return Properties{
		{Uint64, &Schema{Type: "string", Pattern: upTo("18446744073709551615"), Description: "An unsigned number below 2^64 as a canonical decimal string."}},
		{Amount, &Schema{Type: "string", Pattern: upTo("340282366920938463463374607431768211455"), Description: "A number of minor units below 2^128 as a canonical decimal string."}},
	}
}

// forms are the kinds of names; see the package doc.
var forms = map[string]string{
	"id":      `^[a-z][a-z0-9._-]{0,63}$`,
	"word":    `^([a-z][a-z0-9._-]{0,31})?$`,
	"asset":   `^[A-Za-z][A-Za-z0-9._-]{0,31}$`,
	"account": `^(treasury|(payer|provider)/[a-z][a-z0-9._-]{0,63})$`,
	"lane":    `^([0-9]|1[0-5]|m/[a-z][a-z0-9._-]{0,63})$`,
	"era":     `^(0|[1-9][0-9]*)-[0-9a-f]{64}$`,
}

// Of is the schema of what a codec reads. It panics on a tag that it does not
// know: that is a mistake in the program, found by the first test that runs it.
func Of(shape *strict.Shape) *Schema {
	s := bare(shape)
	s.Description = shape.Doc
	return s
}

func bare(shape *strict.Shape) *Schema {
	switch shape.Form {
	case strict.FormString:
		return &Schema{Type: "string"}
	case strict.FormBool:
		return &Schema{Type: "boolean"}
	case strict.FormNumber:
		return integer(shape.Bits, shape.Signed)
	case strict.FormDecimal:
		return &Schema{Ref: Components + Uint64}
	case strict.FormAmount:
		return &Schema{Ref: Components + Amount}
	case strict.FormHex:
		if shape.Size == strict.Any {
			return &Schema{Type: "string", Pattern: `^([0-9a-f]{2})*$`}
		}
		return &Schema{Type: "string", Pattern: fmt.Sprintf(`^[0-9a-f]{%d}$`, 2*shape.Size)}
	case strict.FormList:
		if shape.Size == strict.Any {
			return &Schema{Type: "array", Items: Of(shape.Elem), MaxItems: strict.MaxList}
		}
		return &Schema{Type: "array", Items: Of(shape.Elem), MinItems: shape.Size, MaxItems: shape.Size}
	case strict.FormObject:
		return object(shape)
	}
	panic(fmt.Sprintf("schema: form %d", shape.Form))
}

func object(shape *strict.Shape) *Schema {
	s := &Schema{Type: "object", Closed: true}
	for _, m := range shape.Members {
		s.Properties = append(s.Properties, Property{m.Name, member(m)})
		if !m.Optional {
			s.Required = append(s.Required, m.Name)
		}
	}
	return s
}

// member is the schema of a member by its shape and its tag.
func member(m strict.Member) *Schema {
	s := Of(m.Shape)
	if doc := m.Tag.Get("doc"); doc != "" {
		s.Description = doc
	}
	if values, ok := m.Tag.Lookup("enum"); ok {
		s.Enum = strings.Split(values, ",")
	}
	if form, ok := m.Tag.Lookup("form"); ok {
		pattern, known := forms[form]
		if !known {
			panic(fmt.Sprintf("schema: member %s has the unknown form %q", m.Name, form))
		}
		s.Pattern = pattern
	}
	if (s.Enum != nil || m.Tag.Get("form") != "") && m.Shape.Form != strict.FormString {
		panic(fmt.Sprintf("schema: member %s has enum or form and is no string", m.Name))
	}
	return s
}

func integer(bits int, signed bool) *Schema {
	least, most := "0", fmt.Sprint(uint64(1)<<(bits-1)-1+uint64(1)<<(bits-1))
	if signed {
		least, most = fmt.Sprint(int64(-1)<<(bits-1)), fmt.Sprint(uint64(1)<<(bits-1)-1)
	}
	return &Schema{Type: "integer", Minimum: json.Number(least), Maximum: json.Number(most)}
}

// upTo is a pattern of the canonical decimals from 0 to most: fewer digits, or as
// many that are the same up to a place where a smaller one stands.
func upTo(most string) string {
	n := len(most)
	ways := []string{"0", fmt.Sprintf("[1-9][0-9]{0,%d}", n-2)}
	for i := range n {
		least := byte('0')
		if i == 0 {
			least = '1'
		}
		if most[i] == least {
			continue // no smaller digit can stand here
		}
		way := most[:i] + digits(least, most[i]-1)
		if i < n-1 {
			way += fmt.Sprintf("[0-9]{%d}", n-1-i)
		}
		ways = append(ways, way)
	}
	return "^(" + strings.Join(append(ways, most), "|") + ")$"
}

func digits(least, most byte) string {
	if least == most {
		return string(least)
	}
	return fmt.Sprintf("[%c-%c]", least, most)
}
