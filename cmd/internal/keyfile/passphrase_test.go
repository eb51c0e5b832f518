package keyfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func noTerminal() (*os.File, error) { return nil, errors.New("no terminal here") }

func TestPassphrasePrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte("from the file\r\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := func(name string) string {
		if name == PassphraseEnv {
			return "from the environment"
		}
		return ""
	}
	empty := func(string) string { return "" }
	for _, c := range []struct {
		name   string
		source Passphrases
		want   string
	}{
		{"file before environment", Passphrases{File: file, Getenv: environment, Terminal: noTerminal}, "from the file"},
		{"environment before terminal", Passphrases{Getenv: environment, Terminal: noTerminal}, "from the environment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, ask := range []func(string) (string, error){c.source.Ask, c.source.AskNew} {
				if got, err := ask("Passphrase"); err != nil || got != c.want {
					t.Errorf("got %q, %v, want %q", got, err, c.want)
				}
			}
		})
	}
	_, err := Passphrases{Getenv: empty, Terminal: noTerminal}.Ask("Passphrase")
	if err == nil || !strings.Contains(err.Error(), PassphraseEnv) {
		t.Errorf("with nobody to ask the error is %v, want it to name %s", err, PassphraseEnv)
	}
}

func TestPassphraseFileIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passphrase")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Passphrases{File: file}).Ask("Passphrase"); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a passphrase file that all can read: %v", err)
	}
	blank := filepath.Join(t.TempDir(), "blank")
	if err := os.WriteFile(blank, []byte("\nsecret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Passphrases{File: blank}).Ask("Passphrase"); err == nil {
		t.Error("a passphrase file with an empty first line was accepted")
	}
}
