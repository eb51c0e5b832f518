package main

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// leaves calls f for every command that does something.
func leaves(commands []*cli.Command, name string, f func(name string, c *cli.Command)) {
	for _, c := range commands {
		full := name + " " + c.Name
		if len(c.Subcommands) > 0 {
			leaves(c.Subcommands, full, f)
			continue
		}
		f(full, c)
	}
}

func testApp(args ...string) *cli.App {
	return newApp(append([]string{"tallyvault"}, args...), strings.NewReader(""), io.Discard, io.Discard)
}

// Help teaches: what a command is for, an example that calls it, and for every
// flag what it does and which variable sets it.
func TestEveryCommandTeaches(t *testing.T) {
	app := testApp("energy", "submit-reading")
	leaves(app.Commands, "tallyvault", func(name string, c *cli.Command) {
		// The examples of what has two names use the shorter one.
		if c.Usage == "" || !strings.Contains(c.Description, strings.Replace(name, "gov treasury", "treasury", 1)) {
			t.Errorf("%s: its help has no example of itself", name)
		}
		for _, f := range c.Flags {
			flag, ok := f.(cli.DocGenerationFlag)
			if !ok || flag.GetUsage() == "" {
				t.Errorf("%s --%s: no usage", name, f.Names()[0])
				continue
			}
			if vars := flag.GetEnvVars(); len(vars) == 0 && !slices.Contains(byHandOnly, f.Names()[0]) {
				t.Errorf("%s --%s: no variable", name, f.Names()[0])
			}
		}
	})
}

// A name in a file or the environment may set flags of several commands, so it
// must mean the same kind of thing in all of them.
func TestOneNameIsOneKindOfSetting(t *testing.T) {
	kinds, vars := map[string]reflect.Type{}, map[string]string{}
	// A key is one file where one person acts and several where several sign, a meter is
	// one of several where a file has many, a house is one where it is changed and
	// several with their members in genesis; intervals and decimals are columns of text
	// where meters come from a file.
	apart := []string{"key", "meter", "house", "interval", "decimals"}
	leaves(testApp("energy", "submit-reading").Commands, "tallyvault", func(name string, c *cli.Command) {
		for _, f := range c.Flags {
			flag := f.Names()[0]
			kind := reflect.TypeOf(f)
			if known, ok := kinds[flag]; ok && known != kind && !slices.Contains(apart, flag) {
				t.Errorf("%s --%s is a %v, elsewhere a %v", name, flag, kind, known)
			}
			kinds[flag] = kind
			for _, v := range f.(cli.DocGenerationFlag).GetEnvVars() {
				if other, ok := vars[v]; ok && other != flag {
					t.Errorf("%s sets both --%s and --%s", v, flag, other)
				}
				vars[v] = flag
			}
		}
	})
}

func TestFlagsMayStandAnywhere(t *testing.T) {
	tests := []struct{ in, want string }{
		{"genesis verify FILE --json", "genesis verify --json -- FILE"},
		{"genesis sign FILE --dir D --yes", "genesis sign --dir D --yes -- FILE"},
		{"sign - --key K --key=L", "sign --key K --key=L -- -"},
		{"--config C submit A --json B --api U", "--config C submit --json --api U -- A B"},
		{"submit -- --json A", "submit -- --json A"},
		{"submit A -- --json", "submit -- A --json"},
		{"genesis frobnicate --json", "genesis frobnicate --json"},
		{"key show FILE --frob", "key show --frob -- FILE"},
		{"key show FILE --passphrase-file", "key show --passphrase-file -- FILE"},
		{"genesis create --principal P --node N", "genesis create --principal P --node N"},
		{"", ""},
	}
	for _, test := range tests {
		in := append([]string{"tallyvault"}, strings.Fields(test.in)...)
		got := strings.Join(arrange(testApp(), in)[1:], " ")
		if got != test.want {
			t.Errorf("%q became %q, want %q", test.in, got, test.want)
		}
	}
	if got := arrange(testApp(), nil); len(got) != 0 {
		t.Errorf("no arguments became %q", got)
	}
}

func TestMarketsAreNouns(t *testing.T) {
	for line, want := range map[string]string{
		"energy submit-reading":             "energy",
		"--config C storage submit-reading": "storage",
		"ad --help":                         "ad",
		"energy":                            "",
		"energy frobnicate":                 "",
		"Energy submit-reading":             "",
		"status submit-reading":             "",
		"":                                  "",
	} {
		args := append([]string{"tallyvault"}, strings.Fields(line)...)
		id, ok := marketNoun(testApp(), args)
		if got := map[bool]string{true: id}[ok]; got != want {
			t.Errorf("%q: market %q, want %q", line, got, want)
		}
	}
}
