package transport

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/schema"
)

// Media types of documents.
const (
	openAPIJSON = "application/openapi+json"
	schemaJSON  = "application/schema+json"
)

// newSchemas makes the registry of the API's schemas, in which 64-bit numbers are
// the decimal strings that they are in JSON.
func newSchemas() huma.Registry {
	r := huma.NewMapRegistry(schema.Components, huma.DefaultSchemaNamer)
	r.RegisterTypeAlias(reflect.TypeFor[api.Uint64](), reflect.TypeFor[decimalText]())
	for _, p := range schema.Shared() {
		r.Map()[p.Name] = &huma.Schema{Type: p.Schema.Type, Pattern: p.Schema.Pattern, Description: p.Schema.Description}
	}
	return r
}

// decimalText stands for api.Uint64 in the library, which would call it a string
// of any kind.
type decimalText struct{}

// Schema implements huma.SchemaProvider.
func (decimalText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Ref: schema.Components + schema.Uint64}
}

// document is the API's description with all that is made from it.
type document struct {
	openAPI    []byte
	components map[string]json.RawMessage
	listed     []api.SchemaName // the schemas that are served
	alone      map[string][]byte
}

func (d *Door) documentRoutes() {
	object := &huma.Schema{Type: huma.TypeObject}
	d.raw(huma.Operation{
		OperationID: "openapi", Method: http.MethodGet, Path: "/openapi.json", Tags: []string{"documents"},
		Summary:   "This document",
		Responses: d.responses(http.StatusOK, "OpenAPI 3.1", map[string]*huma.MediaType{openAPIJSON: {Schema: object}}),
	}, d.serveOpenAPI)
	d.raw(huma.Operation{
		OperationID: "schemas", Method: http.MethodGet, Path: "/v1/schemas", Tags: []string{"documents"},
		Summary:   "The JSON Schemas of all payloads, receipts and bodies by name",
		Responses: d.responses(http.StatusOK, "the names", d.content("application/json", api.Schemas{})),
	}, d.serveSchemas)
	d.raw(huma.Operation{
		OperationID: "schema", Method: http.MethodGet, Path: "/v1/schemas/{name}", Tags: []string{"documents"},
		Summary:    "A JSON Schema (2020-12) that stands alone",
		Parameters: []*huma.Param{{Name: "name", In: "path", Required: true, Example: "SubmitReadingPayload", Schema: &huma.Schema{Type: huma.TypeString}}},
		Responses:  d.responses(http.StatusOK, "the schema", map[string]*huma.MediaType{schemaJSON: {Schema: object}}),
	}, d.serveSchema)
}

func (d *Door) serveOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	doc, err := d.document()
	if err != nil {
		return err
	}
	return writeDocument(w, openAPIJSON, doc.openAPI)
}

func (d *Door) serveSchemas(w http.ResponseWriter, _ *http.Request) error {
	doc, err := d.document()
	if err != nil {
		return err
	}
	return writeJSON(w, api.Schemas{Schemas: doc.listed})
}

func (d *Door) serveSchema(w http.ResponseWriter, r *http.Request) error {
	doc, err := d.document()
	if err != nil {
		return err
	}
	text, ok := doc.alone[r.PathValue("name")]
	if !ok {
		return missing("schema", r.PathValue("name"))
	}
	return writeDocument(w, schemaJSON, text)
}

func writeDocument(w http.ResponseWriter, mediaType string, text []byte) error {
	w.Header().Set("Content-Type", mediaType)
	_, _ = w.Write(text) // the caller may be gone
	return nil
}

// Document is the OpenAPI 3.1 description of the API.
func (d *Door) Document() ([]byte, error) {
	doc, err := d.document()
	return doc.openAPI, err
}

// Schemas are the schemas that stand alone, by name.
func (d *Door) Schemas() (map[string][]byte, error) {
	doc, err := d.document()
	return doc.alone, err
}

// makeDocument adds to the library's description what it knows nothing of: the
// schemas of payloads and receipts.
func (d *Door) makeDocument() (doc document, err error) {
	d.closeSets()
	var top, components map[string]json.RawMessage
	body, err := json.Marshal(d.api.OpenAPI())
	if err == nil {
		err = json.Unmarshal(body, &top)
	}
	if err == nil {
		err = json.Unmarshal(top["components"], &components)
	}
	if err == nil {
		err = json.Unmarshal(components["schemas"], &doc.components)
	}
	if err != nil {
		return doc, err
	}
	for kind, all := range map[string][]schema.Named{api.SchemaOfPayload: schema.Payloads(), api.SchemaOfReceipt: schema.Receipts()} {
		for _, n := range all {
			if doc.components[n.Name], err = json.Marshal(n.Schema); err != nil {
				return doc, err
			}
			doc.listed = append(doc.listed, api.SchemaName{Name: n.Name, Kind: kind, Path: schemaPath(n.Name)})
		}
	}
	for _, name := range d.bodies() {
		doc.listed = append(doc.listed, api.SchemaName{Name: name, Kind: api.SchemaOfBody, Path: schemaPath(name)})
	}
	slices.SortFunc(doc.listed, func(a, b api.SchemaName) int { return strings.Compare(a.Name, b.Name) })
	if components["schemas"], err = json.Marshal(doc.components); err != nil {
		return doc, err
	}
	if top["components"], err = json.Marshal(components); err != nil {
		return doc, err
	}
	if doc.openAPI, err = indented(top); err != nil {
		return doc, err
	}
	return doc, doc.standAlone()
}

func schemaPath(name string) string { return "/v1/schemas/" + name }

func indented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}

// standAlone makes the documents that are served one by one.
func (doc *document) standAlone() error {
	doc.alone = make(map[string][]byte, len(doc.listed))
	for _, n := range doc.listed {
		text, err := schema.Alone(n.Name, doc.components)
		if err != nil {
			return err
		}
		if doc.alone[n.Name], err = indented(text); err != nil {
			return err
		}
	}
	return nil
}

// bodies are the names of the schemas of requests and answers.
func (d *Door) bodies() []string {
	names := map[string]bool{}
	note := func(content map[string]*huma.MediaType) {
		for _, m := range content {
			if name, ok := strings.CutPrefix(m.Schema.Ref, schema.Components); ok {
				names[name] = true
			}
		}
	}
	for _, path := range d.api.OpenAPI().Paths {
		for _, op := range []*huma.Operation{path.Get, path.Post, path.Put, path.Delete} {
			if op == nil {
				continue
			}
			if op.RequestBody != nil {
				note(op.RequestBody.Content)
			}
			for _, r := range op.Responses {
				note(r.Content)
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// closeSets puts into the API's schemas what Go's types do not say: the codes of
// refusals, the commands' names and payload types, and what lies in open members.
func (d *Door) closeSets() {
	schemas := d.api.OpenAPI().Components.Schemas.Map()
	property := func(name, member string) *huma.Schema {
		p := schemas[name].Properties[member]
		if p == nil {
			panic(fmt.Sprintf("transport: the schema %s has no member %s", name, member))
		}
		return p
	}
	ref := func(name string) *huma.Schema { return &huma.Schema{Ref: schema.Components + name} }
	var codes, commands, receipts []any
	var bodies []*huma.Schema
	payloads := map[string]any{}
	for _, code := range fsm.Codes() {
		codes = append(codes, string(code))
	}
	for _, f := range fsm.CommandForms() {
		commands = append(commands, f.Name)
		payloads[f.PayloadType] = map[string]string{"$ref": schema.Components + schema.PayloadName(f.Name)}
	}
	for _, f := range fsm.ReceiptForms() {
		receipts = append(receipts, f.Kind)
		bodies = append(bodies, ref(schema.ReceiptName(f.Kind)))
	}
	for _, at := range [][2]string{{"Problem", "code"}, {"Problem", "title"}, {"Outcome", "code"}} {
		property(at[0], at[1]).Enum = codes
	}
	property("Outcome", "command").Enum = commands
	kinds := append(receipts, kindEntry, kindCommand, kindUndecodable)
	for _, name := range []string{"Receipt", "OneReceipt"} {
		property(name, "kind").Enum = kinds
		property(name, "body").AnyOf = bodies
	}
	property("PolicyChain", "genesis").AllOf = []*huma.Schema{ref("Envelope")}
	property("Node", "pins").AllOf = []*huma.Schema{ref("Envelope")}
	for _, path := range []string{"/v1/commands", "/v1/commands:batch"} {
		d.api.OpenAPI().Paths[path].Post.Extensions = map[string]any{"x-payloads": payloads}
	}
}
