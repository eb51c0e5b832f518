package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
)

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
