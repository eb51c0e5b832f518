package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "say which version this is",
		Description: `Prints the version, the revision it was built from and the Go version.

   tallyvault version
   tallyvault version --json`,
		Flags: []cli.Flag{jsonFlag()},
		Action: func(c *cli.Context) error {
			if err := arguments(c, 0, 0); err != nil {
				return err
			}
			if c.Bool("json") {
				return printJSON(c, map[string]string{"version": version(), "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH})
			}
			return printf(c, "tallyvault %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// release is what "make release" has the linker write here: the commit's tag, or the
// commit. The toolchain's own stamp is not used for releases, because it says less of
// a shallow clone, and nothing in a directory that is not one.
var release string

// version is the release, or else what the Go toolchain stamped into this binary.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text, revision, changed := info.Main.Version, "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if text == "" || text == "(devel)" {
		text = "devel"
		if revision != "" {
			text = fmt.Sprintf("devel-%.12s%s", revision, changed)
		}
	}
	return text
}
