package examples

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// languages runs a test once for each program, by its directory and the command line
// that an argument for its interpreter is put behind.
func languages(t *testing.T, test func(t *testing.T, dir string, interpreter string)) {
	t.Run("python", func(t *testing.T) {
		for _, python := range []string{"/usr/bin/python3", "python3"} {
			if exec.Command(python, "-c", "import cryptography").Run() == nil {
				test(t, "python", python)
				return
			}
		}
		t.Skip("SKIPPED: no python3 with the package cryptography (Debian: python3-cryptography)")
	})
	t.Run("nodejs", func(t *testing.T) {
		node, err := exec.LookPath("node")
		if err != nil {
			t.Skip("SKIPPED: no node (Debian: nodejs)")
		}
		test(t, "nodejs", node)
	})
}

func TestUnits(t *testing.T) {
	languages(t, func(t *testing.T, dir, interpreter string) {
		if dir == "python" {
			run(t, dir, interpreter, "-m", "unittest")
			return
		}
		run(t, dir, interpreter, "--test")
	})
}

// run runs something in a program's directory, which must end well.
func run(t *testing.T, dir string, line ...string) {
	t.Helper()
	read(t, dir)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v: %v\n%s", line, err, &out)
	}
}

// read reads the program and the vectors, so that a result that the go command
// remembers is forgotten when they change.
func read(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{dir + "/*.*", "vectors/*.json", "vectors/*.tlog-proof"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if _, err := os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
}
