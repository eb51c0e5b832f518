package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	full   = flag.Bool("full", false, "run every fault, which takes some minutes")
	seeded = flag.Uint64("seed", 0, "repeat the draws of an earlier run")
)

// What the process that runs the tests inherits from the one that made its
// namespaces.
const (
	insideVariable = "TALLYVAULT_FAULTS_INSIDE"
	binaryVariable = "TALLYVAULT_FAULTS_BINARY"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(insideVariable) == "" {
		code, err := outside(m)
		if err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
			code = 1
		}
		os.Exit(code) //nolint:forbidigo // the tests ran in a child, whose status this is
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1) //nolint:forbidigo // nothing has begun
	}
	binary = os.Getenv(binaryVariable)
	m.Run() // its status is the process's
}

// outside builds the program and runs the tests in namespaces of their own, or
// here if that is not possible.
func outside(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "tallyvault-faults-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "tallyvault")
	build := exec.Command("go", "build", "-o", program, "github.com/tallyvault/tallyvault/cmd/tallyvault")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building the program: %w\n%s", err, out)
	}
	if err := os.Setenv(binaryVariable, program); err != nil {
		return 1, err
	}
	code, err := inside()
	if errors.Is(err, errNoNamespaces) {
		binary = program
		return m.Run(), nil
	}
	return code, err
}

var errNoNamespaces = errors.New("no namespaces can be made")

// inside runs this program again as the first process of new namespaces. Their
// processes die with it and it dies with this one; mounts and networks go with them.
func inside() (int, error) {
	if os.Geteuid() != 0 {
		return 0, errNoNamespaces
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return 0, errNoNamespaces
	}
	runtime.LockOSThread() // Pdeathsig goes by thread
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Env = append(os.Environ(), insideVariable+"=1")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
	}
	if err := child.Start(); err != nil {
		return 0, errNoNamespaces
	}
	err := child.Wait()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(failed.ExitCode(), 1), nil
	}
	return 0, err
}

// furnish makes the new namespaces habitable.
func furnish() error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping mounts private: %w", err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	// Named network namespaces are files below it.
	if err := syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	return command("ip", "link", "set", "lo", "up")
}

// command runs a program that must succeed.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// wide skips a test of the wider set unless that was asked for.
func wide(t *testing.T) {
	t.Helper()
	if !*full {
		t.Skip("of the wider set: go test ./cmd/internal/faults -full")
	}
}

// within looks again and again until done says so.
func within(t *testing.T, bound time.Duration, what string, done func() error) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return time.Since(began)
		}
		if time.Since(began) > bound {
			t.Fatalf("%s: not within %v: %v", what, bound, err)
		}
		<-tick.C
	}
}

// let does nothing for a while: the fault that has been brought about lasts.
func let(d time.Duration) { <-time.After(d) }
