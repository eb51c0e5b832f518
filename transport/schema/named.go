package schema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
)

// Named is the schema of a payload or of a kind of receipt.
type Named struct {
	Name   string // as a component: SubmitReadingPayload, SettlementReceipt
	Schema *Schema
}

// titles are what some payloads are called in the contracts that name them.
var titles = map[string]string{"set_market": "EnergySettlementPayload"}

// PayloadName is the name of a command's schema.
func PayloadName(command string) string { return camel(command) + "Payload" }

// ReceiptName is the name of the schema of a kind of receipt.
func ReceiptName(kind string) string { return camel(kind) + "Receipt" }

// Payloads are the schemas of all commands' payloads in table order.
func Payloads() []Named {
	var all []Named
	for _, f := range fsm.CommandForms() {
		name, s := PayloadName(f.Name), Of(f.Shape)
		s.Title = name
		if title, ok := titles[f.Name]; ok {
			s.Title = title
		}
		all = append(all, Named{name, s})
	}
	return all
}

// Receipts are the schemas of all kinds of receipts in table order.
func Receipts() []Named {
	var all []Named
	for _, f := range fsm.ReceiptForms() {
		name, s := ReceiptName(f.Kind), Of(f.Shape)
		s.Title = name
		for _, p := range s.Properties {
			if p.Name == "kind" {
				p.Schema.Const = f.Kind
			}
		}
		all = append(all, Named{name, s})
	}
	return all
}

// camel makes SubmitReading of submit_reading.
func camel(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// ID is the $id of a schema that stands alone.
func ID(name string) string { return "urn:tallyvault:schema:" + name }

var reference = regexp.MustCompile(`"\$ref":\s*"` + regexp.QuoteMeta(Components) + `([A-Za-z0-9]+)"`)

// Alone makes a document that stands alone of one of the components of an OpenAPI
// document: what it refers to, near and far, lies in its $defs.
func Alone(name string, components map[string]json.RawMessage) (json.RawMessage, error) {
	body, ok := components[name]
	if !ok {
		return nil, fmt.Errorf("no component is named %s", name)
	}
	needed := []string{}
	for todo := []string{string(body)}; len(todo) > 0; todo = todo[1:] {
		for _, found := range reference.FindAllStringSubmatch(todo[0], -1) {
			if slices.Contains(needed, found[1]) {
				continue
			}
			target, ok := components[found[1]]
			if !ok {
				return nil, fmt.Errorf("schema %s refers to %s, which no component is named", name, found[1])
			}
			needed, todo = append(needed, found[1]), append(todo, string(target))
		}
	}
	head := fmt.Sprintf(`{"$schema":%q,"$id":%q,`, Dialect, ID(name))
	text := head + strings.TrimPrefix(strings.TrimSpace(string(body)), "{")
	if len(needed) > 0 {
		slices.Sort(needed)
		var defs []string
		for _, n := range needed {
			defs = append(defs, fmt.Sprintf("%q:%s", n, components[n]))
		}
		text = strings.TrimSuffix(text, "}") + `,"$defs":{` + strings.Join(defs, ",") + "}}"
	}
	return json.RawMessage(strings.ReplaceAll(text, `"`+Components, `"#/$defs/`)), nil
}
