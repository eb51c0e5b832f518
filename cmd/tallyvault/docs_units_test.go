package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/cmd/internal/settings"
)

// The units and the container's file must call the program as it is, with the
// settings that runbooks/install.md puts into the files they name.
func TestDocumentedUnits(t *testing.T) {
	starts := regexp.MustCompile(`(?m)^ExecStart=\S*/(tallyvault .*)$`)
	config := regexp.MustCompile(` --config (\S+)$`)
	page, err := os.ReadFile(filepath.Join(repository, "runbooks/install.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"tallyvault.service", "tallyvault-agent.service"} {
		text, err := os.ReadFile(filepath.Join(repository, "deploy/systemd", unit))
		if err != nil {
			t.Fatal(err)
		}
		start := starts.FindStringSubmatch(string(text))
		if start == nil {
			t.Fatalf("%s does not start the program", unit)
		}
		named := config.FindStringSubmatch(start[1])
		if named == nil {
			t.Fatalf("%s: %s names no file of settings", unit, start[1])
		}
		// The settings of the page are the first block after the file's name.
		_, after, found := strings.Cut(string(page), "`"+named[1]+"`")
		blocks := strings.Split(after, "```")
		if !found || len(blocks) < 2 {
			t.Fatalf("runbooks/install.md does not say what is in %s", named[1])
		}
		list, err := settings.Parse([]byte(blocks[1]))
		if err != nil {
			t.Fatalf("%s on runbooks/install.md: %v", named[1], err)
		}
		// As flags, because a setting of another command is not refused in a file.
		line := strings.TrimSuffix(start[1], named[0])
		for _, s := range list {
			line += " --" + s.Name + " " + strings.Join(s.Values, " --"+s.Name+" ")
		}
		if wrong := judgeProgram(line); wrong != "" || len(list) == 0 {
			t.Errorf("%s: %s, with %d settings: %s", unit, line, len(list), wrong)
		}
	}
}

func TestDocumentedContainer(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "deploy/container/Containerfile"))
	if err != nil {
		t.Fatal(err)
	}
	run := regexp.MustCompile(`(?m) (tallyvault serve .*)$`).FindStringSubmatch(string(text))
	if run == nil {
		t.Fatal("the container's file does not say how a node is run")
	}
	if wrong := judgeProgram(run[1]); wrong != "" {
		t.Errorf("%s: %s", run[1], wrong)
	}
	if !strings.Contains(string(text), "BINARY=dist/tallyvault-linux-amd64") || !strings.Contains(string(text), "\nFROM scratch\n") {
		t.Error("the container is not made of nothing but a release")
	}
}
