package keyfile

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

// PassphraseEnv is the environment variable that answers for a person.
const PassphraseEnv = "TALLYVAULT_PASSPHRASE"

// Passphrases says where passphrases come from: a file that was named, else
// the environment, else a person at the terminal. The zero value asks the
// environment of the process and its controlling terminal.
type Passphrases struct {
	// File holds the passphrase in its first line; it must be readable by its
	// owner alone. Empty: none.
	File string

	// Getenv looks the environment up; os.Getenv when nil.
	Getenv func(string) string

	// Terminal opens the terminal to ask at; the controlling terminal when nil,
	// so that asking works while standard input is a pipe.
	Terminal func() (*os.File, error)
}

// Ask answers for a file that exists. It fits the ask argument of [Read].
func (p Passphrases) Ask(prompt string) (string, error) {
	if passphrase, found, err := p.unattended(); found || err != nil {
		return passphrase, err
	}
	return p.atTerminal(prompt + ": ")
}

// AskNew answers for a file about to be made: a person types it twice. An
// empty answer means no encryption, as far as the caller accepts that.
func (p Passphrases) AskNew(prompt string) (string, error) {
	if passphrase, found, err := p.unattended(); found || err != nil {
		return passphrase, err
	}
	return p.atTerminal(prompt+": ", "The same again: ")
}

// unattended takes a passphrase from where no person is needed.
func (p Passphrases) unattended() (passphrase string, found bool, err error) {
	if p.File != "" {
		content, err := keytext.Read(p.File, true)
		if err != nil {
			return "", false, fmt.Errorf("reading the passphrase file: %w", err)
		}
		line, _, _ := strings.Cut(string(content), "\n")
		if line = strings.TrimSuffix(line, "\r"); line == "" {
			return "", false, fmt.Errorf("reading the passphrase file: the first line of %s is empty", p.File)
		}
		return line, true, nil
	}
	getenv := p.Getenv
	if getenv == nil {
		getenv = os.Getenv
	}
	passphrase = getenv(PassphraseEnv)
	return passphrase, passphrase != "", nil
}

// atTerminal asks each prompt in turn, without echo, and wants the same answer
// to all of them.
func (p Passphrases) atTerminal(prompts ...string) (answer string, err error) {
	open := p.Terminal
	if open == nil {
		open = func() (*os.File, error) { return os.OpenFile("/dev/tty", os.O_RDWR, 0) }
	}
	terminal, err := open()
	if err != nil {
		return "", fmt.Errorf("there is no terminal to ask for a passphrase at (set %s or name a passphrase file): %w", PassphraseEnv, err)
	}
	defer func() { err = errors.Join(err, terminal.Close()) }()
	for i, prompt := range prompts {
		next, err := askOnce(terminal, prompt)
		if err != nil {
			return "", err
		}
		if i > 0 && subtle.ConstantTimeCompare([]byte(next), []byte(answer)) == 0 {
			return "", errors.New("the two passphrases differ")
		}
		answer = next
	}
	return answer, nil
}

func askOnce(terminal *os.File, prompt string) (string, error) {
	if _, err := fmt.Fprint(terminal, prompt); err != nil {
		return "", fmt.Errorf("asking for a passphrase: %w", err)
	}
	answer, err := term.ReadPassword(int(terminal.Fd()))
	if err != nil {
		return "", fmt.Errorf("reading a passphrase from the terminal: %w", err)
	}
	// The line end that was typed is not echoed either.
	if _, err := fmt.Fprintln(terminal); err != nil {
		return "", fmt.Errorf("asking for a passphrase: %w", err)
	}
	return string(answer), nil
}
