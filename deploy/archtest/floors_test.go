package archtest

import (
	"fmt"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// floor is a set of packages that know only what stands lower. A path that
// ends in /... takes the packages below it, not itself.
type floor struct {
	path string
	what string
	// siblings may import each other (the compiler keeps them from circles).
	siblings bool
}

// floors, from the ground up.
var floors = [][]floor{
	{
		{path: "oracle", what: "the rules of readings"},
		{path: "treasury", what: "the rules of money"},
	},
	{{path: "fsm/...", what: "formats and proofs of the state machine", siblings: true}},
	{{path: "fsm", what: "the state machine"}},
	{{path: "cluster/...", what: "parts of the node", siblings: true}},
	{{path: "cluster", what: "the node"}},
	{{path: "transport/...", what: "parts of the door", siblings: true}},
	{{path: "transport", what: "the door"}},
	{{path: "cmd/internal/...", what: "parts of the program", siblings: true}},
	{{path: "cmd/...", what: "the program"}},
	{
		{path: "deploy/...", what: "what ships and guards the program"},
		{path: "runbooks", what: "procedures, and the tests of their commands"},
	},
}

// upward are imports that point up all the same, as "importer -> imported",
// each with its reason. There are none.
var upward = map[string]string{}

func (f floor) holds(pkg string) bool {
	if below, all := strings.CutSuffix(f.path, "/..."); all {
		return strings.HasPrefix(pkg, below+"/")
	}
	return pkg == f.path
}

// floorOf finds the floor of a package: its height and what it is.
func floorOf(pkg string) (height int, on floor, found bool) {
	for height, level := range floors {
		for _, f := range level {
			if f.holds(pkg) {
				return height, f, true
			}
		}
	}
	return 0, floor{}, false
}

// pure tells whether a package is below cluster.
func pure(pkg string) bool {
	for _, name := range []string{"oracle", "treasury", "fsm"} {
		if pkg == name || strings.HasPrefix(pkg, name+"/") {
			return true
		}
	}
	return false
}

// arrows returns the imports of a file that do not point down.
func arrows(fset *token.FileSet, s source) []finding {
	height, own, found := floorOf(s.pkg)
	if !found {
		return []finding{{s.path, fmt.Sprintf("package %s stands on no floor: name its place in floors_test.go, or put the code where it belongs", s.pkg)}}
	}
	var broken []finding
	for _, spec := range s.file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value) // The parser has checked it.
		pkg, ours := strings.CutPrefix(imported, module+"/")
		if !ours || upward[s.pkg+" -> "+pkg] != "" || pkg == s.pkg {
			continue
		}
		lower, other, found := floorOf(pkg)
		switch {
		case !found:
			broken = append(broken, finding{at(fset, spec.Pos()), fmt.Sprintf("imports %s, which stands on no floor", pkg)})
		case lower < height || lower == height && own.siblings && own == other:
		default:
			broken = append(broken, finding{at(fset, spec.Pos()), fmt.Sprintf(
				"%s (%s) imports %s (%s), which is not below it: imports point down only, so that a rule can be read without what is built on it",
				s.pkg, own.what, pkg, other.what)})
		}
	}
	return broken
}

func TestImportsPointDown(t *testing.T) {
	fset := token.NewFileSet()
	for _, s := range sources(t, fset) {
		report(t, arrows(fset, s))
	}
}
