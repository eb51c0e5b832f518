// Command tallyvault is the whole appliance: the node, the tools of operators,
// admins, providers and oracles, and the offline verifier.
//
// It parses flags, reads files, handles signals and puts the parts together;
// it holds no rules. One file of this package is one noun of the command line.
//
// A setting comes from a flag, else from an environment variable (TALLYVAULT_
// and the flag's name), else from the file named by --config. Results go to
// standard output, words for people to standard error. The exit status is 0 for
// done, 1 for refused or failed, 2 for a mistake in the command line, and 3 when
// it is not known whether a command took effect.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// run is the program with everything outside handed in.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The first signal asks everything to end in order. From then on signals have
	// their usual force again, for whoever does not want to wait.
	context.AfterFunc(ctx, stop)

	dropEmptyVariables()
	app := newApp(args, stdin, stdout, stderr)
	return report(app.RunContext(ctx, arrange(app, args)), stderr)
}

// dropEmptyVariables makes a variable that is set to nothing the same as one that
// is not set. The library would take it for a setting.
func dropEmptyVariables() {
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if value == "" && strings.HasPrefix(name, "TALLYVAULT_") {
			_ = os.Unsetenv(name) // fails for malformed names only, which Environ has none of
		}
	}
}
