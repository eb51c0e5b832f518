package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// repository is the root of the clone, seen from this package.
const repository = "../.."

// example is one command or one JSON text that a page shows.
type example struct {
	page   string // path from the root
	line   int
	text   string
	schema string // of JSON: what the fence names
	json   bool
	inline bool // within a sentence
}

func (e example) String() string { return fmt.Sprintf("%s:%d: %s", e.page, e.line, e.text) }

// programs are what examples call. The first word of an indented line tells
// whether it is an example at all; in a fence that is called sh, it must be here.
var programs = []string{
	"tallyvault", "curl", "go", "make", "python3", "node", "export", "cd", "bash", "apt-get", "git", "systemctl", "install",
	"cp", "mkdir", "jq", "docker", "podman", "openssl", "scp", "ssh", "sudo", "chmod", "ip", "TALLYVAULT_PROOFS", "ls", "cat", "source",
}

// documents are the pages whose examples are tested.
func documents(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && (name == "bin" || name == "dist" || name == "testdata" || name == "node_modules" || len(name) > 2 && name[0] == '.') {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".md") {
			found = append(found, path)
		}
		return nil
	})
	if err != nil || len(found) < 8 {
		t.Fatalf("pages: %v, %v", found, err)
	}
	return found
}

// goFiles are the sources whose comments may show commands.
func goFiles(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) < 100 {
		t.Fatalf("%d sources: %v", len(found), err)
	}
	return found
}

// examples are all that the documents show.
func examples(t *testing.T) []example {
	t.Helper()
	var all []example
	for _, page := range documents(t) {
		all = append(all, ofPage(t, page)...)
	}
	for _, file := range goFiles(t) {
		all = append(all, ofComments(t, file)...)
	}
	return all
}

func read(t *testing.T, path string) (lines []string, page string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page, err = filepath.Rel(repository, path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n"), filepath.ToSlash(page)
}

var (
	fence = regexp.MustCompile("^\\s*```\\s*(\\S*)\\s*(\\S*)")
	span  = regexp.MustCompile("`((?:tallyvault|go test|go run|make) [^`]+)`")
)

// ofPage finds the examples of a Markdown page: indented or fenced lines that call
// a program, JSON in either, and commands within a sentence.
func ofPage(t *testing.T, path string) []example {
	t.Helper()
	lines, page := read(t, path)
	var all []example
	for i := 0; i < len(lines); i++ {
		at := i + 1
		if f := fence.FindStringSubmatch(lines[i]); f != nil {
			begin := i + 1
			for i++; i < len(lines) && fence.FindStringSubmatch(lines[i]) == nil; i++ {
				continue
			}
			all = append(all, ofFence(t, page, begin+1, lines[begin:min(i, len(lines))], f[1], f[2])...)
			continue
		}
		if !strings.HasPrefix(lines[i], "    ") {
			for _, m := range span.FindAllStringSubmatch(lines[i], -1) {
				all = append(all, example{page: page, line: at, text: strings.ReplaceAll(m[1], `\|`, "|"), inline: true})
			}
			continue
		}
		var text string
		text, i = joined(lines, i)
		switch {
		case strings.HasPrefix(text, "{"):
			all = append(all, example{page: page, line: at, text: text, json: true})
		case slices.Contains(programs, firstWord(text)):
			all = append(all, example{page: page, line: at, text: text})
		}
	}
	return all
}

// ofFence finds the examples of a fenced block.
func ofFence(t *testing.T, page string, at int, lines []string, language, schema string) []example {
	t.Helper()
	var all []example
	switch language {
	case "json":
		return []example{{page: page, line: at, text: strings.Join(lines, "\n"), schema: schema, json: true}}
	case "sh", "bash", "shell", "console":
		for i := 0; i < len(lines); i++ {
			begin := i
			var text string
			if text, i = joined(lines, i); text == "" || strings.HasPrefix(text, "#") {
				continue
			}
			e := example{page: page, line: at + begin, text: strings.TrimPrefix(text, "$ ")}
			if !slices.Contains(programs, firstWord(e.text)) {
				t.Errorf("%s\n\tcalls a program that no test knows. If it is right, add the program to programs in docs_find_test.go and, if it can be checked, a case to judge", e)
			}
			all = append(all, e)
		}
	}
	return all
}

// joined is a line with those that it is continued on, and the number of the last.
func joined(lines []string, i int) (string, int) {
	text := strings.TrimSpace(lines[i])
	for strings.HasSuffix(text, `\`) && i+1 < len(lines) {
		i++
		text = strings.TrimSpace(strings.TrimSuffix(text, `\`)) + " " + strings.TrimSpace(lines[i])
	}
	return text, i
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	word, _, _ = strings.Cut(word, "=")
	return word
}

var comment = regexp.MustCompile(`^\s*//\t((?:tallyvault|curl|go test|go run|make) .*)$`)

// ofComments finds the commands that a package's documentation shows. Words
// behind two spaces explain.
func ofComments(t *testing.T, path string) []example {
	t.Helper()
	lines, page := read(t, path)
	var all []example
	for i, line := range lines {
		if m := comment.FindStringSubmatch(line); m != nil {
			text, _, _ := strings.Cut(m[1], "  ")
			all = append(all, example{page: page, line: i + 1, text: text})
		}
	}
	return all
}
