package reference

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// components is where a document's schemas lie.
const components = "#/components/schemas/"

// phrase is a type in words, with the schema that it links to, if any.
type phrase struct {
	Before, Link, After string
	Values              []string // all that may stand there
	Pattern             string
}

var hex = regexp.MustCompile(`^\^\[0-9a-f\]\{(\d+)\}\$$`)

// words says what a schema takes.
func words(s *schema) phrase {
	if name, ok := strings.CutPrefix(s.Ref, components); ok {
		return phrase{Link: name}
	}
	var p phrase
	for _, v := range s.Enum {
		p.Values = append(p.Values, fmt.Sprint(v))
	}
	switch {
	case s.Const != "":
		p.Before, p.Values = "always", []string{s.Const}
	case len(s.AllOf) == 1:
		return words(&s.AllOf[0])
	case len(s.AnyOf) > 0:
		p.Before = "one of the receipts"
	case s.Type == "array":
		p = words(s.Items)
		p.Before = strings.TrimSpace("list of " + p.Before)
	case s.Type == "integer":
		p.Before = integer(s)
	case s.Type == "string":
		p.Before, p.Pattern = text(s)
	case s.Type == "object" && len(s.Properties) == 0:
		p.Before = "object"
		if strings.HasPrefix(string(s.AdditionalProperties), "{") {
			p.Before = "object of strings"
		}
	case s.Type == "":
		p.Before = "any"
	default:
		p.Before = s.Type
	}
	return p
}

func integer(s *schema) string {
	switch {
	case s.Minimum == "" || strings.HasPrefix(string(s.Minimum), "-"):
		return "integer"
	case s.Maximum != "":
		return fmt.Sprintf("integer %s to %s", s.Minimum, s.Maximum)
	}
	return "integer from " + string(s.Minimum)
}

// text is a string's form: in words if it has some, as a pattern if not.
func text(s *schema) (form, pattern string) {
	if digits := hex.FindStringSubmatch(s.Pattern); digits != nil {
		n, _ := strconv.Atoi(digits[1]) // the pattern has digits there
		return fmt.Sprintf("hex, %d bytes", n/2), ""
	}
	if s.Pattern == `^([0-9a-f]{2})*$` {
		return "hex", ""
	}
	if s.MaxLength > 0 {
		return fmt.Sprintf("string of at most %d bytes", s.MaxLength), s.Pattern
	}
	return "string", s.Pattern
}

// row is one line of a table of members.
type row struct {
	Name, About string
	Type        phrase
	Required    bool
	Depth       int
	Default     string
}

// rows lists an object's members, those of objects in it below them.
func rows(s *schema, depth int) []row {
	var out []row
	for _, m := range s.members() {
		required := false
		for _, name := range s.Required {
			required = required || name == m.name
		}
		r := row{Name: m.name, About: m.schema.Description, Type: words(m.schema), Required: required, Depth: depth}
		inner := m.schema
		if inner.Items != nil {
			inner = inner.Items
		}
		out = append(append(out, r), rows(inner, depth+1)...)
	}
	return out
}
