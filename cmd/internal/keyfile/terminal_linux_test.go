package keyfile

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestAsksAtTheTerminal plays the person at the far end of a pseudo terminal:
// it answers each prompt when it appears and sees what is echoed.
func TestAsksAtTheTerminal(t *testing.T) {
	for _, c := range []struct {
		name    string
		ask     func(Passphrases) (string, error)
		answers []string
		want    string
		refused string
	}{
		{"once", func(p Passphrases) (string, error) { return p.Ask("Passphrase") }, []string{"correct horse"}, "correct horse", ""},
		{"twice", func(p Passphrases) (string, error) { return p.AskNew("New passphrase") }, []string{"correct horse", "correct horse"}, "correct horse", ""},
		{"twice differently", func(p Passphrases) (string, error) { return p.AskNew("New passphrase") }, []string{"correct horse", "corect horse"}, "", "differ"},
		{"twice nothing", func(p Passphrases) (string, error) { return p.AskNew("New passphrase") }, []string{"", ""}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			person, open := pseudoTerminal(t)
			seen := make(chan string, 1)
			go func() { seen <- play(person, c.answers) }()
			got, err := c.ask(Passphrases{Getenv: func(string) string { return "" }, Terminal: open})
			if c.refused == "" && (err != nil || got != c.want) {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
			if c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("got %q, %v, want an error with %q", got, err, c.refused)
			}
			if shown := <-seen; strings.Contains(shown, "horse") || strings.Count(shown, ": ") != len(c.answers) {
				t.Errorf("the terminal showed %q", shown)
			}
		})
	}
}

// play waits for a prompt, types the next answer, and returns all that the
// terminal showed by the time it was hung up or every answer was taken.
func play(person *os.File, answers []string) string {
	var shown strings.Builder
	buffer := make([]byte, 256)
	for _, answer := range answers {
		for prompts := strings.Count(shown.String(), ": "); strings.Count(shown.String(), ": ") == prompts; {
			n, err := person.Read(buffer)
			if err != nil {
				return shown.String()
			}
			shown.Write(buffer[:n])
		}
		awaitSilence(person)
		if _, err := io.WriteString(person, answer+"\n"); err != nil {
			return shown.String()
		}
	}
	for !strings.HasSuffix(shown.String(), "\n") || strings.Count(shown.String(), "\n") < len(answers) {
		n, err := person.Read(buffer)
		if err != nil {
			break
		}
		shown.Write(buffer[:n])
	}
	return shown.String()
}

// awaitSilence waits until the program has turned the echo off, which it does
// right after its prompt; typing before that would be seen on any terminal.
func awaitSilence(person *os.File) {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		settings, err := unix.IoctlGetTermios(int(person.Fd()), unix.TCGETS)
		if err != nil || settings.Lflag&unix.ECHO == 0 {
			return
		}
		runtime.Gosched()
	}
}

// pseudoTerminal returns the person's end of a new terminal and a function
// that opens the program's end.
func pseudoTerminal(t *testing.T) (*os.File, func() (*os.File, error)) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED: this machine has no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return person, func() (*os.File, error) {
		return os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
}
