package examples

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestPython(t *testing.T) {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import cryptography").Run() == nil {
			run(t, "python", python, "-m", "unittest")
			return
		}
	}
	t.Skip("SKIPPED: no python3 with the package cryptography (Debian: python3-cryptography)")
}

func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIPPED: no node (Debian: nodejs)")
	}
	run(t, "nodejs", node, "--test")
}

// run runs a program's tests in its directory.
func run(t *testing.T, dir string, line ...string) {
	t.Helper()
	t.Parallel()
	// They are read so that a result that the go command remembers is forgotten with them.
	for _, pattern := range []string{dir + "/*.*", "vectors/*.json", "vectors/*.tlog-proof"} {
		files, err := filepath.Glob(pattern)
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %v\n%s", line, err, &out)
	}
}
