package fsm

import (
	flags "flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flags.Bool("update", false, "write what the scripts in testdata print into them")

// TestScripts runs the stories in testdata. A story is a list of blocks: commands,
// a line of four dashes, and what they print, up to an empty line. Lines that begin
// with # are remarks. The signed commands of one block travel in one entry.
//
//	submit meter=m-1 register=1500 ago=1h
//	----
//	entry 3: height 1, now +1s
//	  submit_reading: accepted (market energy, number 1)
//
// -update writes the output anew: the change is then reviewed by eye.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(raw))
			if got == string(raw) {
				return
			}
			if !*update {
				t.Fatalf("%s prints otherwise; go test -run TestScripts -update, and review\n%s", file, difference(string(raw), got))
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

const dashes = "----"

// runScript returns the script with the output that its commands have now.
func runScript(t *testing.T, text string) string {
	s := &script{t: t}
	var out strings.Builder
	var block []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line != dashes {
			out.WriteString(line)
			if i < len(lines)-1 {
				out.WriteByte('\n')
			}
			if line != "" && !strings.HasPrefix(line, "#") {
				block = append(block, line)
			}
			continue
		}
		out.WriteString(dashes + "\n" + s.run(block))
		block = nil
		for i+1 < len(lines) && lines[i+1] != "" {
			i++
		}
	}
	if len(block) > 0 {
		t.Fatalf("%q stands without dashes behind it", block)
	}
	return out.String()
}

func difference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is\n\t%s\nand was\n\t%s", i+1, b[i], a[i])
		}
	}
	return fmt.Sprintf("%d lines, and were %d", len(b), len(a))
}

// script is a story being told.
type script struct {
	t        *testing.T
	r        *rig
	saved    map[string]*Command
	owner    map[string]string     // of meters
	ids      map[string][32]byte   // of disbursements and withdrawals, by their names
	contents map[[32]byte][32]byte // what votes about a disbursement name
	out      strings.Builder
}

// call is one command of a script: a verb, and arguments by name.
type call struct {
	t    *testing.T
	verb string
	args map[string]string
}

func parseCall(t *testing.T, line string) *call {
	words := strings.Fields(line)
	c := &call{t, words[0], map[string]string{}}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		c.args[name] = value
	}
	return c
}

// text takes an argument, or what is meant without it.
func (c *call) text(name, otherwise string) string {
	value, ok := c.args[name]
	if !ok {
		return otherwise
	}
	delete(c.args, name)
	return value
}

func (c *call) has(name string) bool { _, ok := c.args[name]; return ok }

func (c *call) number(name string, otherwise uint64) uint64 {
	text := c.text(name, "")
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		c.t.Fatalf("%s: %s: %v", c.verb, name, err)
	}
	return n
}

// millis takes a duration such as 1h30m.
func (c *call) millis(name string, otherwise time.Duration) int64 {
	d, err := time.ParseDuration(c.text(name, otherwise.String()))
	if err != nil {
		c.t.Fatalf("%s: %s: %v", c.verb, name, err)
	}
	return d.Milliseconds()
}

func (c *call) list(name, otherwise string) []string {
	text := c.text(name, otherwise)
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// end finds arguments that nobody took.
func (c *call) end() {
	for name := range c.args {
		c.t.Fatalf("%s has no argument %s", c.verb, name)
	}
}

// run tells one block and returns what it prints.
func (s *script) run(block []string) string {
	s.out.Reset()
	var commands []*Command
	flush := func() {
		if len(commands) > 0 {
			s.entry(&Entry{Commands: commands})
		}
		commands = nil
	}
	for _, line := range block {
		c := parseCall(s.t, line)
		if c.verb == "world" {
			s.world(c)
		} else if command := s.command(c); command != nil {
			commands = append(commands, command)
		} else {
			flush()
			s.do(c)
		}
		c.end()
	}
	flush()
	if s.out.Len() == 0 {
		return "ok\n"
	}
	return s.out.String()
}

func (s *script) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }
