package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// expect compares findings with the parts that their messages must have, in
// order.
func expect(t *testing.T, findings []finding, want ...string) {
	t.Helper()
	if len(findings) != len(want) {
		t.Errorf("%d findings, want %d: %v", len(findings), len(want), findings)
		return
	}
	for i, f := range findings {
		if !strings.Contains(f.String(), want[i]) {
			t.Errorf("finding %d is %q, want it to have %q", i, f, want[i])
		}
	}
}

func parse(t *testing.T, fset *token.FileSet, name, text string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestArrowsAreNoticed(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		want          []string
	}{
		{"fsm", "oracle", nil},
		{"fsm", "fsm/proof", nil},
		{"fsm/genesis", "fsm/proof", nil},
		{"fsm/rules", "treasury", nil},
		{"cluster", "cluster/journal", nil},
		{"cluster/journal", "fsm", nil},
		{"transport/agent", "transport/api", nil},
		{"transport", "cluster", nil},
		{"cmd/tallyvault", "cmd/internal/keyfile", nil},
		{"cmd/tallyvault", "oracle", nil},
		{"runbooks", "cmd/internal/keyfile", nil},
		{"cluster", "cluster", nil}, // an external test of itself
		{"oracle", "treasury", []string{"not below it"}},
		{"treasury", "oracle", []string{"not below it"}},
		{"oracle", "fsm/proof", []string{"not below it"}},
		{"fsm/proof", "fsm", []string{"fsm/proof (formats and proofs of the state machine) imports fsm (the state machine)"}},
		{"fsm", "cluster", []string{"not below it"}},
		{"cluster/journal", "cluster", []string{"not below it"}},
		{"cluster", "transport", []string{"not below it"}},
		{"transport/client", "transport", []string{"not below it"}},
		{"transport", "cmd/internal/keyfile", []string{"not below it"}},
		{"cmd/internal/keyfile", "cmd/tallyvault", []string{"not below it"}},
		{"cmd/tallyvault", "deploy/archtest", []string{"not below it"}},
		{"cmd/tallyvault", "util", []string{"stands on no floor"}},
		{"util", "oracle", []string{"package util stands on no floor"}},
	} {
		t.Run(c.pkg+" imports "+c.imported, func(t *testing.T) {
			fset := token.NewFileSet()
			file := parse(t, fset, "a.go", "package a\nimport _ \""+module+"/"+c.imported+"\"\n")
			expect(t, arrows(fset, source{pkg: c.pkg, path: c.pkg + "/a.go", file: file}), c.want...)
		})
	}
}

func TestImportsAreNoticed(t *testing.T) {
	for name, want := range map[string]string{
		"time":                     clockReason,
		"context":                  clockReason,
		"math/rand":                chanceReason,
		"math/rand/v2":             chanceReason,
		"crypto/rand":              chanceReason,
		"os":                       ioReason,
		"os/exec":                  ioReason,
		"net":                      ioReason,
		"net/http":                 ioReason,
		"io/fs":                    ioReason,
		"sync":                     orderReason,
		"sync/atomic":              orderReason,
		"log":                      logReason,
		"log/slog":                 logReason,
		"unsafe":                   memoryReason,
		"runtime":                  memoryReason,
		"runtime/debug":            memoryReason,
		"example.org/anything":     "not among the approved",
		"golang.org/x/sync":        "not among the approved",
		"io":                       "",
		"errors":                   "",
		"math/bits":                "",
		"networks":                 "",
		"github.com/tidwall/btree": "",
		module + "/oracle":         "",
	} {
		t.Run(name, func(t *testing.T) {
			fset := token.NewFileSet()
			file := parse(t, fset, "a.go", "package a\nimport _ \""+name+"\"\n")
			found := importsOf(fset, source{pkg: "fsm", path: "fsm/a.go", file: file})
			if want == "" {
				expect(t, found)
				return
			}
			expect(t, found, want)
		})
	}
}

func TestSyntaxIsNoticed(t *testing.T) {
	packages, err := pureBuild()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, code string
		want       []string
	}{
		{"whole numbers", `func f(n uint64) uint64 { return n*670_000/1_000_000 }`, nil},
		{"a slice in order", `func f(s []int) { for range s {} }`, nil},
		{"reading a map", `func f(m map[string]int) int { m["a"]++; return len(m) }`, nil},
		{"sorted keys", `import ("maps"; "slices"); func f(m map[string]int) { for range slices.Sorted(maps.Keys(m)) {} }`, nil},
		{"a goroutine", `func f() { go f() }`, []string{"a.go:2:12: starts a goroutine"}},
		{"a select", `func f() { select {} }`, []string{"selects"}},
		{"a channel", `var c chan int`, []string{"uses a channel"}},
		{"a channel of another's", `type t chan<- int; func f(c t) { c <- 1 }`, []string{"a.go:2:8: uses a channel", "a.go:3:15: uses a channel"}},
		{"a receive", `type t = <-chan int; func f(c t) { <-c }`, []string{"a.go:2:10: uses a channel", "a.go:3:15: uses a channel"}},
		{"a float's type", `type t struct { share float64 }`, []string{"uses a float"}},
		{"a float under another name", `type share float32; func f(s share) bool { return s == 0 }`, []string{"a.go:2:6: uses a float", "a.go:3:8: uses a float"}},
		{"a float literal", `const n = 1e6`, []string{"uses a float"}},
		{"a float unseen", `import "math"; func f(n int) int { return int(math.Sqrt(4)) }`, []string{"uses a float"}},
		{"a complex number", `const n = 2i`, []string{"uses a float"}},
		{"a constant of package math", `import "math"; const n = math.MaxUint64`, nil},
		{"a range over a map", "func f(m map[string]int) {\n\tfor range m {}\n}", []string{"a.go:3:2: ranges over a map"}},
		{"a map under another name", `type t map[string]int; func f(m t) { for k := range m { _ = k } }`, []string{"ranges over a map"}},
		{"unsorted keys", `import "maps"; func f(m map[string]int) { for range maps.Keys(m) {} }`, []string{"calls maps.Keys"}},
		{"keys as they come", `import ("maps"; "slices"); func f(m map[string]int) []string { return slices.Collect(maps.Keys(m)) }`, []string{"calls maps.Keys"}},
		{"all of a map", `import "maps"; func f(m map[string]int) { for range maps.All(m) {} }`, []string{"calls maps.All"}},
		{"a map by reflection", `import "reflect"; func f(v reflect.Value) { v.MapRange() }`, []string{"calls reflect.MapRange"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file := parse(t, fset, "a.go", "package a\n"+strings.Replace(c.code, "; func", "\nfunc", 1))
			pkg, err := check(fset, packages, "fsm/a", []*ast.File{file})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, syntax(fset, pkg), c.want...)
		})
	}
}

func TestTextIsNoticed(t *testing.T) {
	short, long := strings.Repeat("//\n", mostLines), strings.Repeat("//\n", mostLines+1)
	note := "TO" + "DO"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a.go", short, nil},
		{"a.go", long, []string{"more than 450"}},
		{"a_test.go", long, nil},
		{"a.md", "mktemp -d demo." + strings.Repeat("X", 6) + "\n", nil},
		{"a.md", "ok\n// " + note + ": later\n", []string{"a.md:2: " + note}},
		{"a.go", "// FIX" + "ME\n", []string{"FIX" + "ME"}},
		{"Makefile", "cp a /tm" + "p/a\n", []string{"path of somebody's machine"}},
		{"a.md", "see `/ho" + "me/alice/x`\n", []string{"path of somebody's machine"}},
		{"a.md", "/Us" + "ers/alice/x\n", []string{"path of somebody's machine"}},
		{"a.go", "\"/wo" + "rk/x\"\n", []string{"path of somebody's machine"}},
		{"a.md", "https://example.org/wo" + "rk/x, $DIR/tm" + "p/x and deploy/tm" + "p/x\n", nil},
		{"a.md", "\xff\n", []string{"not UTF-8"}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, textOf(c.name, []byte(c.text)), c.want...) })
	}
}

func TestTopLevelIsNoticed(t *testing.T) {
	expect(t, atTop("oracle"))
	expect(t, atTop("LICENSE"))
	expect(t, atTop("pkg"), "does not belong at the top")
	expect(t, atTop("notes.md"), "does not belong at the top")
}

func TestInitIsNoticed(t *testing.T) {
	fset := token.NewFileSet()
	file := parse(t, fset, "a.go", "package a\nfunc init() {}\ntype t int\nfunc (t) init() {}\n")
	expect(t, initsOf(fset, source{pkg: "fsm", path: "fsm/a.go", file: file}), "a.go:2:1: an init function")
}
