package reference_test

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/transport/reference"
)

const address = "https://node.example:8443"

func draw(t *testing.T, openAPI []byte) reference.Page {
	t.Helper()
	page, err := reference.Draw(reference.Source{
		OpenAPI: openAPI, Address: address,
		Commands: []reference.Command{{Name: "submit_reading", PayloadType: "a/b+json", Scope: "submit_reading", Schema: "SubmitReadingPayload"}},
		Receipts: []reference.Schema{{Kind: "cut", Schema: "CutReceipt"}},
		Bodies:   []string{"Meters"},
		Codes:    []reference.Code{{Code: "NonceReplay", Cause: "It was used.", Recovery: "Use another.", Runbook: "runbooks/refusals.md#noncereplay", Status: 409}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func committed(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile("../../deploy/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var (
	ids      = regexp.MustCompile(` id="([^"]+)"`)
	anchors  = regexp.MustCompile(` href="#([^"]+)"`)
	elsewhat = regexp.MustCompile(`(?:src|href|action|url)\s*[=(]\s*["']?([^"'\s>)]+)`)
	inline   = regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`)
)

// Every link leads somewhere on the page, and every id is there once.
func TestLinksLeadSomewhere(t *testing.T) {
	html := string(draw(t, committed(t)).HTML)
	there := map[string]bool{}
	for _, id := range ids.FindAllStringSubmatch(html, -1) {
		if there[id[1]] {
			t.Errorf("two things have the id %s", id[1])
		}
		there[id[1]] = true
	}
	links := anchors.FindAllStringSubmatch(html, -1)
	if len(links) < 200 {
		t.Errorf("the page has %d links", len(links))
	}
	for _, link := range links {
		if !there[link[1]] {
			t.Errorf("a link leads to #%s, which is not there", link[1])
		}
	}
}

// Nothing is asked of anybody but the node itself, and what stands in the page is
// what its policy allows.
func TestPageStandsAlone(t *testing.T) {
	page := draw(t, committed(t))
	for _, m := range elsewhat.FindAllStringSubmatch(string(page.HTML), -1) {
		if !strings.HasPrefix(m[1], "#") && !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "data:") {
			t.Errorf("the page names %s", m[1])
		}
	}
	parts := inline.FindAllStringSubmatch(string(page.HTML), -1)
	if len(parts) != 2 {
		t.Fatalf("%d styles and scripts", len(parts))
	}
	for _, part := range parts {
		sum := sha256.Sum256([]byte(part[2]))
		want := part[1] + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if !strings.Contains(page.Policy, want) {
			t.Errorf("the policy %q has no %s", page.Policy, want)
		}
	}
	if regexp.MustCompile(` (style|on[a-z]+)="`).Match(page.HTML) {
		t.Error("the page has a style or a script in an attribute, which its policy forbids")
	}
}

func TestPageShows(t *testing.T) {
	html := string(draw(t, committed(t)).HTML)
	routes := regexp.MustCompile(`"operationId": "([^"]+)"`).FindAllStringSubmatch(string(committed(t)), -1)
	if len(routes) < 20 {
		t.Errorf("the document has %d routes", len(routes))
	}
	for _, r := range routes {
		if !strings.Contains(html, `<article id="`+r[1]+`"`) {
			t.Errorf("the page does not show the route %s", r[1])
		}
	}
	for _, want := range []string{
		`<article id="meters"`, `curl -H &#34;Authorization: Bearer $(tallyvault token)&#34;`, address + "/v1/readings/${MARKET}/${NUMBER}",
		"hex, 16 bytes", `<a href="#Uint64">Uint64</a>`, `list of <a href="#Meter">`, `<tr id="NonceReplay"`, "Use another.",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// What the document says is shown and never obeyed.
func TestDocumentIsEscaped(t *testing.T) {
	text := strings.Replace(string(committed(t)), "The ledger's accounts by name", "<script>alert(1)</script>", 1)
	html := string(draw(t, []byte(text)).HTML)
	if strings.Contains(html, "<script>alert") || !strings.Contains(html, "&lt;script&gt;alert(1)") {
		t.Error("a summary became a script")
	}
}

func TestWhatIsNoDocumentIsRefused(t *testing.T) {
	if _, err := reference.Draw(reference.Source{OpenAPI: []byte(`{"paths": 1}`)}); err == nil {
		t.Error("it was drawn")
	}
}
