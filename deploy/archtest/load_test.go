package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/tallyvault/tallyvault"

// root is the top of the repository as seen from this folder, where go test
// runs its tests.
const root = "../.."

// finding is a rule broken at a place.
type finding struct {
	place  string // file, or file:line:column
	reason string
}

func (f finding) String() string { return f.place + ": " + f.reason }

// report fails the test with each finding, in the form of go vet.
func report(t *testing.T, findings []finding) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}

// source is one Go file, parsed. pkg and path are relative to the top.
type source struct {
	pkg, path string
	test      bool
	file      *ast.File
}

// files are all of the repository's files, as slash paths relative to the top,
// without what git ignores there.
func files(t *testing.T) []string {
	t.Helper()
	ignored := ignoredAtTop(t)
	var found []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case !strings.Contains(name, "/") && ignored(name):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.IsDir() {
			found = append(found, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ignoredAtTop reads which entries of the top .gitignore leaves out. Git itself
// is not asked, since a source archive comes without it.
func ignoredAtTop(t *testing.T) func(name string) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	patterns := []string{".git", ".idea", ".vscode", ".DS_Store"}
	for line := range strings.Lines(string(text)) {
		if line = strings.Trim(strings.TrimSpace(line), "/"); line != "" && line[0] != '#' {
			patterns = append(patterns, line)
		}
	}
	return func(name string) bool {
		for _, pattern := range patterns {
			if fits, err := path.Match(pattern, name); fits && err == nil {
				return true
			}
		}
		return false
	}
}

// sources parses all Go files of the module, those for other systems included.
// The nested module interop is not part of it.
func sources(t *testing.T, fset *token.FileSet) []source {
	t.Helper()
	var all []source
	for _, name := range files(t) {
		if path.Ext(name) != ".go" || strings.HasPrefix(name, "interop/") || strings.Contains(name, "testdata/") {
			continue
		}
		file, err := parser.ParseFile(fset, filepath.Join(root, filepath.FromSlash(name)), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{pkg: path.Dir(name), path: name, test: strings.HasSuffix(name, "_test.go"), file: file})
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found from %s", len(all), root)
	}
	return all
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// pureBuild asks the go command once for the pure packages, their types and
// those of all they import.
var pureBuild = sync.OnceValues(func() ([]listed, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly",
		"./oracle/...", "./treasury/...", "./fsm/...", "maps", "slices", "reflect", "math")
	command.Dir = root
	var problems bytes.Buffer
	command.Stderr = &problems
	output, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, problems.Bytes())
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var next listed
		switch err := decoder.Decode(&next); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		packages = append(packages, next)
	}
})

// checked is a package with the types of its expressions.
type checked struct {
	pkg   string
	files []*ast.File
	info  *types.Info
}

// check finds the types of a package's files.
func check(fset *token.FileSet, packages []listed, pkg string, files []*ast.File) (checked, error) {
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("go list named no export data of %s", path)
		}
		return os.Open(exports[path])
	})}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	if _, err := config.Check(pkg, fset, files, info); err != nil {
		return checked{}, fmt.Errorf("finding the types of %s: %w", pkg, err)
	}
	return checked{pkg: pkg, files: files, info: info}, nil
}

// purePackages loads all that is below cluster, without tests.
func purePackages(t *testing.T, fset *token.FileSet) []checked {
	t.Helper()
	packages, err := pureBuild()
	if err != nil {
		t.Fatal(err)
	}
	var all []checked
	for _, p := range packages {
		rel, ours := strings.CutPrefix(p.ImportPath, module+"/")
		if !ours || p.DepOnly {
			continue
		}
		var parsed []*ast.File
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, file)
		}
		pkg, err := check(fset, packages, rel, parsed)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkg)
	}
	return all
}

// at shows a place relative to the top.
func at(fset *token.FileSet, pos token.Pos) string {
	place := fset.Position(pos)
	if top, err := filepath.Abs(root); err == nil {
		if absolute, err := filepath.Abs(place.Filename); err == nil {
			if rel, err := filepath.Rel(top, absolute); err == nil && filepath.IsLocal(rel) {
				place.Filename = filepath.ToSlash(rel)
			}
		}
	}
	return place.String()
}
