package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Whatever the documents and the help texts show must be there: commands with
// their flags and flags' values, tests, targets of make, routes, files. What can
// be run in a moment is run by TestReadmeRuns.
func TestDocumentedCommandsExist(t *testing.T) {
	judged := map[string]int{}
	for _, e := range append(examples(t), helpExamples()...) {
		if e.json {
			continue
		}
		judged[firstWord(e.text)]++
		if wrong := judge(e); wrong != "" {
			t.Errorf("%s\n\t%s. Correct the page, or what it shows", e, wrong)
		}
	}
	for program, least := range map[string]int{"tallyvault": 80, "go": 30, "curl": 2, "make": 4} {
		if judged[program] < least {
			t.Errorf("found %d examples of %s, and there were %d: they are not looked for where they are", judged[program], program, least)
		}
	}
}

// judge says what is wrong with an example, if anything.
func judge(e example) string {
	text, _, _ := strings.Cut(e.text, " #")
	for _, inner := range regexp.MustCompile(`\$\((tallyvault [^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if wrong := judgeProgram(inner[1]); wrong != "" {
			return wrong
		}
	}
	dir := filepath.Join(repository, filepath.Dir(e.page))
	for step := range strings.SplitSeq(text, " && ") {
		words := splitWords(step)
		for len(words) > 0 && regexp.MustCompile(`^[A-Z_]+=`).MatchString(words[0]) {
			words = words[1:]
		}
		if len(words) < 2 {
			continue
		}
		wrong := ""
		switch words[0] {
		case "tallyvault":
			wrong = judgeProgram(step)
		case "go":
			wrong = judgeGo(repository, words[1:])
			if wrong != "" && judgeGo(dir, words[1:]) == "" {
				wrong = "" // of the page's own directory
			}
		case "make":
			wrong = judgeMake(words[1:])
		case "curl":
			wrong = judgeCurl(words[1:])
		case "python3", "node":
			wrong = judgeScript(dir, words[1:])
		case "cd":
			if _, err := os.Stat(filepath.Join(repository, words[1])); err != nil {
				wrong = fmt.Sprintf("there is no directory %s", words[1])
			}
			return wrong // what follows is of another place
		}
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

// judgeProgram lets the real command line read a command, up to its action.
func judgeProgram(line string) string {
	line, _, _ = strings.Cut(line, " > ")
	line, _, _ = strings.Cut(line, " | ")
	words := splitWords(line)
	app := newApp(words, strings.NewReader(""), io.Discard, io.Discard)
	reached := false
	idle(app.Commands, &reached)
	if err := app.Run(words); err != nil {
		return err.Error()
	}
	if !reached && !strings.HasSuffix(line, "--help") {
		return "this is not a whole command"
	}
	return ""
}

// idle keeps commands from doing anything.
func idle(commands []*cli.Command, reached *bool) {
	for _, c := range commands {
		c.Before = nil
		if len(c.Subcommands) > 0 {
			idle(c.Subcommands, reached)
			continue
		}
		c.Action = func(*cli.Context) error { *reached = true; return nil }
	}
}

// judgeGo asks for packages, and for tests that a pattern finds.
func judgeGo(dir string, words []string) string {
	if words[0] != "test" && words[0] != "run" {
		return ""
	}
	var packages, patterns []string
	benchmarks := slices.Contains(words, "-bench") // then -run is there to find nothing
	for i, word := range words[1:] {
		switch {
		case strings.HasPrefix(word, "./"), word == ".":
			packages = append(packages, word)
		case words[i] == "-bench", words[i] == "-run" && !benchmarks:
			patterns = strings.Split(word, "|")
		}
	}
	names := ""
	for _, p := range packages {
		files, err := filepath.Glob(filepath.Join(dir, strings.TrimSuffix(p, "..."), "*.go"))
		if err != nil || len(files) == 0 && !strings.HasSuffix(p, "...") {
			return fmt.Sprintf("there is no package %s", p)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err.Error()
			}
			names += strings.Join(regexp.MustCompile(`(?m)^func (Test|Fuzz|Benchmark|Example)\w*`).FindAllString(string(text), -1), "\n") + "\n"
		}
	}
	for _, pattern := range patterns {
		pattern, _, _ = strings.Cut(pattern, "/")
		if found, err := regexp.MatchString("(?m)"+pattern, names); err != nil || !found {
			return fmt.Sprintf("no test of %s is called %s", strings.Join(packages, " "), pattern)
		}
	}
	return ""
}

func judgeMake(words []string) string {
	text, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		return err.Error()
	}
	for _, word := range words {
		if !strings.Contains(word, "=") && !strings.Contains("\n"+string(text), "\n"+word+":") {
			return fmt.Sprintf("the Makefile has no target %s", word)
		}
	}
	return ""
}

// judgeCurl asks for a route in the API's document.
func judgeCurl(words []string) string {
	for _, word := range words {
		u, err := url.Parse(word)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" {
			continue
		}
		for _, path := range routes() {
			if path.MatchString(u.Path) {
				return ""
			}
		}
		return fmt.Sprintf("deploy/openapi.json has no route %s", u.Path)
	}
	return "it calls no URL"
}

// operators are the routes of the operator's listener, which no document lists.
const operators = `^/(livez|readyz|metrics|debug/pprof/.*)$`

func routes() []*regexp.Regexp {
	found := []*regexp.Regexp{regexp.MustCompile(operators)}
	text, err := os.ReadFile(filepath.Join(repository, "deploy/openapi.json"))
	if err != nil {
		panic(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^    "(/[^"]*)": \{$`).FindAllStringSubmatch(string(text), -1) {
		path := regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(m[1]), `.+`)
		found = append(found, regexp.MustCompile("^"+path+"$"))
	}
	return found
}

// judgeScript asks for the script of an interpreter.
func judgeScript(dir string, words []string) string {
	if strings.HasPrefix(words[0], "-") {
		return ""
	}
	for _, place := range []string{dir, repository} {
		if _, err := os.Stat(filepath.Join(place, words[0])); err == nil {
			return ""
		}
	}
	return fmt.Sprintf("there is no file %s beside the page", words[0])
}

// splitWords splits like a shell, as far as the pages need it: quotes.
func splitWords(line string) []string {
	var words []string
	var word strings.Builder
	quote, begun := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && r == ' ':
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}

// helpExamples are the commands that the help texts show.
func helpExamples() []example {
	var all []example
	var walk func(commands []*cli.Command)
	walk = func(commands []*cli.Command) {
		for _, c := range commands {
			lines := strings.Split(c.Description, "\n")
			for i := 0; i < len(lines); i++ {
				at := i + 1
				indented := strings.HasPrefix(lines[i], "  ")
				var text string
				text, i = joined(lines, i)
				if word := firstWord(text); indented && (word == "tallyvault" || word == "curl") {
					all = append(all, example{page: "the help of " + c.HelpName, line: at, text: text})
				}
			}
			walk(c.Subcommands)
		}
	}
	walk(newApp([]string{"tallyvault", "energy"}, strings.NewReader(""), io.Discard, io.Discard).Commands)
	return all
}
