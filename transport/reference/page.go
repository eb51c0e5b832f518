package reference

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"regexp"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

//go:embed script.js
var script string

// Source is what the page is made from.
type Source struct {
	OpenAPI  []byte
	Address  string // URL of the node that serves the page
	Commands []Command
	Receipts []Schema
	Bodies   []string // names of schemas
	Codes    []Code
}

// Command is a command of the table with its payload's schema.
type Command struct {
	Name, PayloadType, Scope string
	Threshold                bool
	Schema                   string
}

// Schema is a kind of receipt and its schema.
type Schema struct{ Kind, Schema string }

// Code is a refusal.
type Code struct {
	Code, Cause, Recovery, Runbook string
	Status                         int
}

// Page is the drawn page and the policy that it must be served with.
type Page struct {
	HTML   []byte
	Policy string
}

var pattern = template.Must(template.New("page").Parse(pageText))

// Draw makes the page.
func Draw(s Source) (Page, error) {
	var d document
	if err := json.Unmarshal(s.OpenAPI, &d); err != nil {
		return Page{}, fmt.Errorf("reading the API's document: %w", err)
	}
	content := view{
		Title: d.Info.Title, About: d.Info.Description, Version: d.Info.Version, Address: s.Address, Codes: s.Codes,
		Style: template.CSS(style), Script: template.JS(script), //nolint:gosec // our own files
	}
	for _, t := range d.tags() {
		content.Groups = append(content.Groups, group{Name: t.Name, About: t.Description, Routes: d.routes(t.Name, s.Address)})
	}
	for _, c := range s.Commands {
		content.Commands = append(content.Commands, described{Command: c, Type: d.named(c.Schema)})
	}
	for _, r := range s.Receipts {
		content.Receipts = append(content.Receipts, described{Kind: r.Kind, Type: d.named(r.Schema)})
	}
	for _, name := range d.others(content) {
		content.Types = append(content.Types, described{Type: d.named(name), Served: slices.Contains(s.Bodies, name)})
	}
	var b bytes.Buffer
	if err := pattern.Execute(&b, content); err != nil {
		return Page{}, fmt.Errorf("drawing the reference: %w", err)
	}
	return Page{HTML: b.Bytes(), Policy: policy()}, nil
}

// policy allows what stands in the page, by its hash, and nothing else.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
		"; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// view is what the template sees.
type view struct {
	Title, About, Version, Address string
	Style                          template.CSS
	Script                         template.JS
	Groups                         []group
	Commands, Receipts, Types      []described
	Codes                          []Code
}

type group struct {
	Name, About string
	Routes      []route
}

type route struct {
	ID, Method, Path, Summary, About string
	Token                            string // who may ask
	Parameters                       []row
	Places                           map[string]string // of parameters
	Body                             string            // schema of the request
	Answers                          []answer
	Example                          string
}

type answer struct{ Status, About, Media, Schema string }

// described is a schema with what it is the schema of.
type described struct {
	Command
	Kind   string
	Type   typed
	Served bool
}

type typed struct {
	Name, About string
	Form        phrase // of what is no object
	Rows        []row
}

func (d *document) named(name string) typed {
	s := d.Components.Schemas[name]
	if s == nil {
		return typed{Name: name}
	}
	t := typed{Name: name, About: s.Description, Rows: rows(s, 0)}
	if len(t.Rows) == 0 {
		t.Form = words(s)
		t.Form.Pattern = "" // of numbers, which nobody reads
	}
	return t
}

// others are the names of the schemas that are neither payload nor receipt.
func (d *document) others(v view) []string {
	shown := map[string]bool{}
	for _, c := range append(slices.Clone(v.Commands), v.Receipts...) {
		shown[c.Type.Name] = true
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		if !shown[name] {
			names = append(names, name)
		}
	}
	return names
}

// tags are those that routes have: in the document's order, then those that it does
// not describe.
func (d *document) tags() []tag {
	used := map[string]bool{}
	for _, path := range d.Paths {
		for _, op := range path {
			for _, name := range op.Tags {
				used[name] = true
			}
		}
	}
	var out []tag
	for _, t := range d.Tags {
		if used[t.Name] {
			out = append(out, t)
		}
		delete(used, t.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		out = append(out, tag{Name: name})
	}
	return out
}

// methods in the order in which a path's operations are shown.
var methods = []string{"get", "post", "put", "delete"}

func (d *document) routes(tag, address string) []route {
	var out []route
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range methods {
			op, ok := d.Paths[path][method]
			if ok && slices.Contains(op.Tags, tag) {
				out = append(out, routeOf(method, path, op, address))
			}
		}
	}
	return out
}

func routeOf(method, path string, op operation, address string) route {
	r := route{
		ID: op.OperationID, Method: strings.ToUpper(method), Path: path, Summary: op.Summary, About: op.Description,
		Token: who(op.Security), Places: map[string]string{},
	}
	for _, p := range op.Parameters {
		about := p.Description
		if about == "" {
			about = p.Schema.Description
		}
		one := row{Name: p.Name, About: about, Type: words(&p.Schema), Required: p.Required}
		if p.Schema.Default != nil {
			one.Default = fmt.Sprint(p.Schema.Default)
		}
		r.Parameters, r.Places[p.Name] = append(r.Parameters, one), p.In
	}
	if op.RequestBody != nil {
		for _, m := range op.RequestBody.Content {
			r.Body = strings.TrimPrefix(m.Schema.Ref, components)
		}
	}
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		for _, name := range slices.Sorted(maps.Keys(response.Content)) {
			schema := strings.TrimPrefix(response.Content[name].Schema.Ref, components)
			r.Answers = append(r.Answers, answer{status, response.Description, name, schema})
		}
	}
	r.Example = example(r, op, address)
	return r
}

// who says which callers a requirement admits.
func who(security []map[string][]string) string {
	free := len(security) == 0 || slices.ContainsFunc(security, func(s map[string][]string) bool { return len(s) == 0 })
	token := slices.ContainsFunc(security, func(s map[string][]string) bool { return len(s) > 0 })
	switch {
	case free && token:
		return "partly public"
	case free:
		return "public"
	}
	return "token"
}

var inPath = regexp.MustCompile(`\{([a-z_]+)\}`)

// example is a call that a shell runs.
func example(r route, op operation, address string) string {
	var b strings.Builder
	b.WriteString("curl")
	if slices.ContainsFunc(r.Answers, func(a answer) bool { return a.Media == "text/event-stream" }) {
		b.WriteString(" -N") // shows events as they come
	}
	if r.Token != "public" {
		b.WriteString(` -H "Authorization: Bearer $(tallyvault token)" \` + "\n    ")
	}
	if r.Body != "" {
		for media := range op.RequestBody.Content {
			b.WriteString(" -H 'Content-Type: " + media + `' --data-binary @` + file(media) + " \\\n    ")
		}
	}
	url := address + inPath.ReplaceAllStringFunc(r.Path, func(p string) string { return variable(strings.Trim(p, "{}")) })
	sign := "?"
	for _, p := range op.Parameters {
		if p.In == "query" && p.Required {
			url, sign = url+sign+p.Name+"="+variable(p.Name), "&"
		}
	}
	return b.String() + ` "` + url + `"`
}

func variable(parameter string) string { return "${" + strings.ToUpper(parameter) + "}" }

// file is where the example's body lies.
func file(media string) string {
	if strings.HasSuffix(media, "ndjson") {
		return "commands.ndjson"
	}
	return "command.json"
}
