package transport_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// answers holds every answer of a story to the API's own document.
type answers struct {
	compiler *jsonschema.Compiler
	routes   []route
	seen     map[string]bool // "id status" of what was answered
}

// route is one documented operation.
type route struct {
	method, template, id string
	path                 *regexp.Regexp
	schemas              map[string]map[string]string // by status, by media type: where the schema is
}

const documentURL = "urn:document"

var parameter = regexp.MustCompile(`\\\{[a-z]+\\\}`)

// answersOf reads a node's document.
func answersOf(t *testing.T, text []byte) *answers {
	t.Helper()
	// Programs must bear members that they do not know. The document must know all.
	text = regexp.MustCompile(`"additionalProperties": true`).ReplaceAll(text, []byte(`"additionalProperties": false`))
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	a := &answers{compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	a.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := a.compiler.AddResource(documentURL, parsed); err != nil {
		t.Fatal(err)
	}
	type media struct {
		Schema struct {
			Ref string `json:"$ref"`
		} `json:"schema"`
	}
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Responses   map[string]struct {
				Content map[string]media `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	for template, methods := range document.Paths {
		path := parameter.ReplaceAllString(regexp.QuoteMeta(template), `[^/]+`)
		for _, many := range []string{"/tile/", "/v1/explain/"} { // slashes may be in their last part
			if strings.HasPrefix(template, many) {
				path = many + ".+"
			}
		}
		for method, op := range methods {
			r := route{strings.ToUpper(method), template, op.OperationID, regexp.MustCompile("^" + path + "$"), map[string]map[string]string{}}
			for status, response := range op.Responses {
				r.schemas[status] = map[string]string{}
				for name, m := range response.Content {
					r.schemas[status][name] = ""
					if strings.HasSuffix(name, "json") { // a stream of events is no JSON text
						r.schemas[status][name] = m.Schema.Ref
					}
				}
			}
			a.routes = append(a.routes, r)
		}
	}
	// What says more of a path goes first.
	slices.SortFunc(a.routes, func(a, b route) int { return len(b.template) - len(a.template) })
	return a
}

// check holds one answer to the document.
func (a *answers) check(t *testing.T, method, address string, response *http.Response, body []byte) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(a.routes, func(r route) bool { return r.method == method && r.path.MatchString(u.EscapedPath()) })
	if i < 0 {
		return // the story asks for what is not there, too
	}
	status := fmt.Sprint(response.StatusCode)
	if a.routes[i].schemas[status] == nil {
		status = "default"
	}
	contentType := response.Header.Get("Content-Type")
	ref, ok := a.routes[i].schemas[status][contentType]
	if !ok {
		t.Errorf("%s %s answers %d with %q, of which /openapi.json knows nothing", method, u.Path, response.StatusCode, contentType)
		return
	}
	a.seen[a.routes[i].id+" "+status] = true
	if ref == "" {
		return
	}
	schema, err := a.compiler.Compile(documentURL + ref)
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	for line := range bytes.Lines(bytes.TrimSpace(body)) {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Errorf("%s %s answers what its schema refuses: %v\n%s", method, u.Path, err, line)
		}
	}
}

// documented demands that the story has met a good answer of every route that has a
// schema, so that the document of a new route is held to what it answers.
func (s *story) documented(t *testing.T) {
	for _, r := range s.answers.routes {
		good := slices.DeleteFunc(slices.Collect(maps.Keys(r.schemas)), func(status string) bool {
			return status == "default" || strings.Join(slices.Collect(maps.Values(r.schemas[status])), "") == ""
		})
		for _, status := range good {
			if !s.answers.seen[r.id+" "+status] {
				t.Errorf("no part of TestThreeNodes has met %s of %s %s: let one ask for it with s.do or s.get", status, r.method, r.template)
			}
		}
	}
}

// documents are served by every node.
func (s *story) documents(t *testing.T) {
	var list struct {
		Schemas []struct{ Name, Kind, Path string }
	}
	_, text := s.do(t, http.MethodGet, s.Nodes[1].URL+"/v1/schemas", "", nil)
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, one := range list.Schemas {
		response, text := s.do(t, http.MethodGet, s.Nodes[1].URL+one.Path, "", nil)
		if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/schema+json" {
			t.Errorf("%s: %s, %s", one.Path, response.Status, response.Header.Get("Content-Type"))
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		c := jsonschema.NewCompiler()
		name := "urn:tallyvault:schema:" + one.Name
		if err := c.AddResource(name, v); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Compile(name); err != nil {
			t.Errorf("%s is no schema: %v", one.Path, err)
		}
		kinds[one.Kind]++
	}
	if kinds["payload"] == 0 || kinds["receipt"] == 0 || kinds["body"] == 0 {
		t.Errorf("schemas by kind: %v", kinds)
	}
	response, page := s.do(t, http.MethodGet, s.Nodes[1].URL+"/reference", "", nil)
	if policy := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none';") {
		t.Errorf("the reference is served under the policy %q", policy)
	}
	if !bytes.Contains(page, []byte(s.Nodes[1].URL+"/v1/meters")) {
		t.Error("the reference has no example of this node's own")
	}
	if response, _ := s.do(t, http.MethodGet, s.Nodes[1].URL+"/v1/schemas/Nonsense", "", nil); response.StatusCode != http.StatusNotFound {
		t.Errorf("a schema that is not there: %s", response.Status)
	}
}
