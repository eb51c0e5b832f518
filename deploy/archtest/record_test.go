package archtest

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// A row of the track record promises that a command shows something. Commands age:
// tests are renamed and flags go. So each one that the table names must exist, and
// each go test must select at least one test for every name between its bars.
func TestTrackRecordNamesTests(t *testing.T) {
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "\n## Track record\n")
	if !found {
		t.Fatal("ARCHITECTURE.md has no section Track record")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| fault ") {
			continue
		}
		rows++
		line = strings.ReplaceAll(line, `\|`, "|") // a bar inside a table's cell
		commands := regexp.MustCompile("`((go test|make|tallyvault|cd interop) [^`]*)`").FindAllStringSubmatch(line, -1)
		if len(commands) == 0 {
			t.Errorf("a row without a command: %s", line)
		}
		for _, c := range commands {
			if wrong := checkRecorded(t, c[1]); wrong != "" {
				t.Errorf("%s: %s", c[1], wrong)
			}
		}
	}
	if rows < 7 {
		t.Errorf("only %d rows: the table has changed its form", rows)
	}
}

// checkRecorded says what is wrong with a command of the table.
func checkRecorded(t *testing.T, command string) string {
	t.Helper()
	words := strings.Fields(strings.ReplaceAll(command, "'", ""))
	if words[0] == "make" {
		makefile, err := os.ReadFile("../../Makefile")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(makefile), "\n"+words[1]+":") {
			return "no such target"
		}
		return ""
	}
	if words[0] != "go" {
		return ""
	}
	var folder, selected string
	for i, w := range words {
		switch {
		case strings.HasPrefix(w, "./"):
			folder = w
		case (w == "-run" || w == "-fuzz" || w == "-bench") && i+1 < len(words):
			selected = words[i+1]
		}
	}
	if folder == "" || selected == "" {
		return "names no package or no test"
	}
	names := declaredTests(t, folder)
	for part := range strings.SplitSeq(selected, "|") {
		first, _, _ := strings.Cut(part, "/")
		pattern, err := regexp.Compile(first)
		if err != nil {
			return err.Error()
		}
		if !pattern.MatchString(names) {
			return "no test for " + part
		}
	}
	return ""
}

// declaredTests lists the tests, fuzz targets and benchmarks of a folder, one a
// line, from the source: building them all would take too long here.
func declaredTests(t *testing.T, folder string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", folder)
	cmd.Dir = "../.."
	files, err := cmd.Output()
	if err != nil {
		t.Skipf("not in a git checkout: %v", err)
	}
	declared := regexp.MustCompile(`(?m)^func ((Test|Fuzz|Benchmark)\w+)`)
	var names []string
	for name := range strings.Lines(string(files)) {
		name = strings.TrimSpace(name)
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile("../../" + name)
		if err != nil {
			continue // deleted and not committed yet
		}
		for _, m := range declared.FindAllStringSubmatch(string(source), -1) {
			names = append(names, m[1])
		}
	}
	return strings.Join(names, "\n")
}
