package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"strings"
	"testing"
)

const (
	ioReason     = "pure code has no input but genesis and entries and no output but what it returns"
	clockReason  = "time comes with the entry as a number; replicas read different clocks"
	chanceReason = "replicas would draw differently"
	orderReason  = "the scheduler is not replicated; one caller at a time runs this code, and the lock around it is cluster's"
	logReason    = "what is worth saying is an outcome, a refusal or a receipt"
	memoryReason = "what depends on addresses or on the runtime differs between replicas"
)

// banned are the imports that pure code may not have, each with its reason. A
// name that ends in /... takes the packages below it as well.
var banned = map[string]string{
	"time":             clockReason,
	"context":          clockReason,
	"math/rand":        chanceReason,
	"math/rand/v2":     chanceReason,
	"crypto/rand":      chanceReason,
	"hash/maphash":     chanceReason,
	"sync/...":         orderReason,
	"os/...":           ioReason,
	"net/...":          ioReason,
	"io/fs":            ioReason,
	"io/ioutil":        ioReason,
	"path/filepath":    ioReason,
	"embed":            ioReason,
	"syscall":          ioReason,
	"database/sql/...": ioReason,
	"log/...":          logReason,
	"expvar":           logReason,
	"unsafe":           memoryReason,
	"runtime/...":      memoryReason,
	"unique":           memoryReason,
	"weak":             memoryReason,
	"plugin":           memoryReason,
	"C":                "the binary is built without C, and C has all of the above",
}

// approved are the modules outside the standard library that pure code may
// import. Each was read for clocks, chance and map order.
var approved = map[string]string{
	"github.com/tidwall/btree":                             "sorted maps with copy-on-write, which state is made of",
	"lukechampine.com/uint128":                             "sums of money",
	"golang.org/x/crypto/cryptobyte":                       "the binary codec, with its bounds checked",
	"golang.org/x/mod/sumdb/note":                          "signed notes",
	"golang.org/x/mod/sumdb/tlog":                          "the tree of the journal",
	"github.com/cloudflare/circl/sign/ed25519":             "types of keys, and deterministic signatures",
	"github.com/cloudflare/circl/hpke":                     "the log key sealed to nodes; its random is handed in",
	"github.com/oasisprotocol/curve25519-voi/curve":        "the points of verification rule 1, and checks on registered keys",
	"github.com/oasisprotocol/curve25519-voi/curve/scalar": "the numbers of verification rule 1; none at random is asked for",
	"github.com/go-json-experiment/json":                   "envelopes",
	"github.com/go-json-experiment/json/jsontext":          "the tokens of the strict parser",
}

// importsOf returns the imports of a pure file that are banned or unknown.
func importsOf(fset *token.FileSet, s source) []finding {
	var broken []finding
	for _, spec := range s.file.Imports {
		name, _ := strconv.Unquote(spec.Path.Value) // The parser has checked it.
		if strings.HasPrefix(name, module+"/") {
			continue // That is for the arrows.
		}
		if reason := bannedImport(name); reason != "" {
			broken = append(broken, finding{at(fset, spec.Pos()), fmt.Sprintf("imports %s below cluster: %s", name, reason)})
			continue
		}
		if host, _, _ := strings.Cut(name, "/"); strings.Contains(host, ".") && approved[name] == "" {
			broken = append(broken, finding{at(fset, spec.Pos()), fmt.Sprintf(
				"imports %s below cluster, which is not among the approved ones in pure_test.go: read it for clocks, chance and map order first", name)})
		}
	}
	return broken
}

func bannedImport(name string) string {
	if reason := banned[name]; reason != "" {
		return reason
	}
	for prefix := name; prefix != ""; {
		if reason := banned[prefix+"/..."]; reason != "" {
			return reason
		}
		cut := strings.LastIndexByte(prefix, '/')
		if cut < 0 {
			break
		}
		prefix = prefix[:cut]
	}
	return ""
}

// syntax returns what pure code does that it may not. A line is reported once.
func syntax(fset *token.FileSet, pkg checked) []finding {
	var broken []finding
	seen := map[string]bool{}
	say := func(node ast.Node, reason string) {
		place := at(fset, node.Pos())
		line := place[:strings.LastIndexByte(place, ':')]
		if !seen[line+reason] {
			seen[line+reason] = true
			broken = append(broken, finding{place, reason})
		}
	}
	for _, file := range pkg.files {
		sorted := sortedArguments(file, pkg.info)
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.GoStmt:
				say(n, "starts a goroutine below cluster: "+orderReason)
			case *ast.SelectStmt:
				say(n, "selects below cluster: which case runs is chance, and "+chanceReason)
			case *ast.ChanType, *ast.SendStmt:
				say(n, "uses a channel below cluster: "+orderReason)
			case *ast.UnaryExpr:
				if n.Op == token.ARROW {
					say(n, "uses a channel below cluster: "+orderReason)
				}
			case *ast.RangeStmt:
				if isMap(pkg.info.TypeOf(n.X)) {
					say(n, "ranges over a map below cluster: its order differs from run to run; keep sorted trees, or range over slices.Sorted(maps.Keys(m))")
				}
			case *ast.SelectorExpr:
				if call := unordered(pkg.info.Uses[n.Sel]); call != "" && !sorted[n] {
					say(n, "calls "+call+" below cluster: map order differs from run to run; slices.Sorted may take it as its argument")
				}
			}
			if expr, is := node.(ast.Expr); is && isFloat(pkg.info.TypeOf(expr)) {
				say(expr, "uses a float below cluster: processors round differently, and money is whole numbers")
			}
			return true
		})
	}
	return broken
}

// sortedArguments are the functions called right inside of slices.Sorted(...),
// which takes the chance out of their order.
func sortedArguments(file *ast.File, info *types.Info) map[*ast.SelectorExpr]bool {
	found := map[*ast.SelectorExpr]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		outer, function := called(node)
		if function == nil || qualified(info.Uses[function.Sel]) != "slices.Sorted" || len(outer.Args) != 1 {
			return true
		}
		if _, inner := called(outer.Args[0]); inner != nil {
			found[inner] = true
		}
		return true
	})
	return found
}

func called(node ast.Node) (*ast.CallExpr, *ast.SelectorExpr) {
	call, is := node.(*ast.CallExpr)
	if !is {
		return nil, nil
	}
	function, _ := call.Fun.(*ast.SelectorExpr)
	return call, function
}

// unordered names a function that visits a map in its own order, or is empty.
func unordered(object types.Object) string {
	switch name := qualified(object); name {
	case "maps.All", "maps.Keys", "maps.Values", "maps.DeleteFunc",
		"reflect.MapRange", "reflect.MapKeys":
		return name
	}
	return ""
}

// qualified is a function's or method's name with its package's.
func qualified(object types.Object) string {
	function, is := object.(*types.Func)
	if !is || function.Pkg() == nil {
		return ""
	}
	return function.Pkg().Path() + "." + function.Name()
}

func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	_, is := t.Underlying().(*types.Map)
	return is
}

func isFloat(t types.Type) bool {
	if t == nil {
		return false
	}
	basic, is := t.Underlying().(*types.Basic)
	return is && basic.Info()&(types.IsFloat|types.IsComplex) != 0
}

func TestPureImports(t *testing.T) {
	fset := token.NewFileSet()
	for _, s := range sources(t, fset) {
		if pure(s.pkg) && !s.test {
			report(t, importsOf(fset, s))
		}
	}
}

func TestPureSyntax(t *testing.T) {
	fset := token.NewFileSet()
	packages := purePackages(t, fset)
	if len(packages) < 3 {
		t.Fatalf("only %d packages below cluster were found", len(packages))
	}
	for _, pkg := range packages {
		report(t, syntax(fset, pkg))
	}
}
