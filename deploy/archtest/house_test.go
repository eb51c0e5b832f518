package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// topLevel are the entries that may stand at the top, each with its reason.
var topLevel = map[string]string{
	"cmd":       "the program",
	"transport": "the door",
	"cluster":   "the node",
	"fsm":       "the state machine",
	"oracle":    "the rules of readings",
	"treasury":  "the rules of money",
	"deploy":    "units, containers, rules, dashboards, examples, this test",
	"runbooks":  "one page a procedure",
	"interop":   "a module of its own: verifiers that are not ours",
	".ci":       "what continuous integration runs",
	".github":   "how it is called there",

	"README.md": "", "ARCHITECTURE.md": "", "CONTRIBUTING.md": "", "SECURITY.md": "", "CHANGELOG.md": "",
	"LICENSE": "", "NOTICE": "", "Makefile": "", "go.mod": "", "go.sum": "",
	".golangci.yml": "", ".gitignore": "", ".gitattributes": "", ".dockerignore": "", ".editorconfig": "",
}

// mostLines is the length of a file outside of tests that nobody should pass;
// files are meant to be below 300.
const mostLines = 450

// The patterns are put together from halves, or they would find themselves.
var (
	leftover = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

	// machinePath is an absolute path of the kind that one machine has. Not
	// preceded by more of a path or of a URL.
	machinePath = regexp.MustCompile(`(^|[^\w./~$}-])/(work|tmp|root)/|(^|[^\w./~$}-])/(home|Us` + `ers)/\w`)
)

// texts are the files that people write, by extension or name.
var texts = regexp.MustCompile(`\.(go|md|ya?ml|json|sh|txt|txtar|toml|service|rules|html|css|js)$|(^|/)(Makefile|Dockerfile|Containerfile|run|go\.mod)$`)

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	ignored := ignoredAtTop(t)
	for _, entry := range entries {
		if !ignored(entry.Name()) {
			report(t, atTop(entry.Name()))
		}
	}
}

// atTop judges the name of an entry of the top.
func atTop(name string) []finding {
	if _, known := topLevel[name]; known {
		return nil
	}
	return []finding{{name, "does not belong at the top: put it into the folder it is a part of (the list is in house_test.go)"}}
}

func TestFiles(t *testing.T) {
	for _, name := range files(t) {
		if !texts.MatchString(name) || strings.Contains(name, "testdata/fuzz/") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		report(t, textOf(name, content))
	}
}

// textOf judges one file that people wrote.
func textOf(name string, content []byte) []finding {
	var broken []finding
	if !utf8.Valid(content) {
		broken = append(broken, finding{name, "is not UTF-8"})
	}
	count := bytes.Count(content, []byte("\n"))
	if path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") && count > mostLines {
		broken = append(broken, finding{name, fmt.Sprintf("has %d lines, more than %d: a file is one concern that a reader can hold; part it", count, mostLines)})
	}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		place := fmt.Sprintf("%s:%d", name, number)
		if found := leftover.FindString(line); found != "" {
			broken = append(broken, finding{place, found + ": unfinished work is finished, or it is an issue; in the code it is forgotten"})
		}
		if found := machinePath.FindString(line); found != "" {
			broken = append(broken, finding{place, fmt.Sprintf("%q is a path of somebody's machine: others do not have it", strings.TrimSpace(found))})
		}
	}
	return broken
}

func TestNoInit(t *testing.T) {
	fset := token.NewFileSet()
	for _, s := range sources(t, fset) {
		report(t, initsOf(fset, s))
	}
}

// initsOf returns the init functions of a file.
func initsOf(fset *token.FileSet, s source) []finding {
	var broken []finding
	for _, declaration := range s.file.Decls {
		if function, is := declaration.(*ast.FuncDecl); is && function.Recv == nil && function.Name.Name == "init" {
			broken = append(broken, finding{at(fset, function.Pos()), "an init function runs for everybody who imports this, unasked: let the caller construct what is needed"})
		}
	}
	return broken
}
