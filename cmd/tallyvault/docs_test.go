package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/fsm"
)

// Every command that README.md and the runbooks show must be one that this
// program has, with flags that it has.
func TestDocumentedCommandsExist(t *testing.T) {
	pages, err := filepath.Glob("../../runbooks/*.md")
	if err != nil || len(pages) < 3 {
		t.Fatalf("runbooks: %v, %v", pages, err)
	}
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md") {
		for _, line := range commandLines(t, page) {
			if err := checkCommand(line); err != "" {
				t.Errorf("%s: %s\n\t%s", filepath.Base(page), err, line)
			}
		}
	}
}

// commandLines are the indented lines of a page that call the program, with
// their continuations.
func commandLines(t *testing.T, page string) []string {
	t.Helper()
	f, err := os.Open(page)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []string
	more := false
	for scan := bufio.NewScanner(f); scan.Scan(); {
		line := strings.TrimSpace(scan.Text())
		continued := strings.HasSuffix(line, "\\")
		line = strings.TrimSpace(strings.TrimSuffix(line, "\\"))
		switch {
		case more:
			lines[len(lines)-1] += " " + line
		case strings.HasPrefix(scan.Text(), "    ") && strings.HasPrefix(line, "tallyvault "):
			lines = append(lines, line)
		default:
			continue
		}
		more = continued
	}
	return lines
}

func checkCommand(line string) (wrong string) {
	line, _, _ = strings.Cut(line, " #")
	words := splitWords(line)
	app := newApp(words, strings.NewReader(""), io.Discard, io.Discard)
	words = words[1:]
	commands, at := app.Commands, "tallyvault"
	var found *cli.Command
	for len(words) > 0 && len(commands) > 0 {
		next := named(commands, words[0])
		if next == nil {
			return at + " has no command " + words[0]
		}
		found, commands, words = next, next.Subcommands, words[1:]
		at += " " + next.Name
	}
	if found == nil || len(found.Subcommands) > 0 {
		return at + " is not a whole command"
	}
	for len(words) > 0 {
		if !strings.HasPrefix(words[0], "--") {
			words = words[1:]
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(words[0], "--"), "=")
		if !hasFlag(found, name) {
			return at + " has no flag --" + name
		}
		words = words[1:]
	}
	return ""
}

func hasFlag(c *cli.Command, name string) bool {
	for _, f := range c.Flags {
		for _, n := range f.Names() {
			if n == name {
				return true
			}
		}
	}
	return false
}

// splitWords splits like a shell, as far as the pages need it: double quotes.
func splitWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

var update = flag.Bool("update", false, "write generated pages anew")

// runbooks/refusals.md is made from the one table of codes; every problem that
// a node answers links to its section.
func TestRefusalsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Refusals\nEvery \"no\" has a stable code. This page is made from the table that the API and the command line use.\n")
	for _, code := range fsm.Codes() {
		fmt.Fprintf(&b, "\n## %s\n%s %s\n", code, code.Cause(), code.Recovery())
	}
	const page = "../../runbooks/refusals.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the table says: go test ./cmd/tallyvault -run RefusalsPage -update (%v)", page, err)
	}
}
