package smallfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if content, err := Read(path, 5); err != nil || string(content) != "12345" {
		t.Errorf("at the limit: %q, %v", content, err)
	}
	if content, err := Read(path, 4); err == nil || !strings.Contains(err.Error(), "file is larger than the 4 bytes") || content != nil {
		t.Errorf("above the limit: %q, %v", content, err)
	}
	if _, err := Read(path+"s", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Read(t.TempDir(), 4); err == nil {
		t.Error("a directory was read")
	}
}

// TestReadEndless reads what has no end and says of itself that it is empty.
func TestReadEndless(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("SKIPPED: no /dev/zero here")
	}
	if _, err := Read("/dev/zero", 1<<20); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless device: %v", err)
	}
}

func TestKind(t *testing.T) {
	for content, want := range map[string]string{
		"tallyvault-key v1 ed25519\n":                                       "a private key",
		"-----BEGIN AGE ENCRYPTED FILE-----\n":                              "an encrypted private key",
		"c2sp.org/tlog-proof@v1\n":                                          "a receipt",
		`{"principal":"a","role":"b","public_key":"c","proof":"d"}`:         "the public statement of a principal",
		`{"principal":"a","role":"b"}`:                                      "",
		`{"payloadType":"application/vnd.tallyvault.genesis.v1+json"}`:      "a genesis",
		`{"payloadType":"application/vnd.tallyvault.node.v1+json"}`:         "the statement of a node, node.json",
		"{\"payloadType\":\"application/vnd.tallyvault.vote.v1+json\"}\r\n": "a command, vote",
		`{"payloadType":"text/plain"}`:                                      "",
		`{"command":"deposit","payload":{}}`:                                "the draft of a command",
		`{"index":"1","genesis":{},"changes":[]}`:                           "a policy chain",
		"":     "",
		"[]":   "",
		"null": "",
	} {
		if got := Kind([]byte(content)); got != want {
			t.Errorf("%q looks like %q, want %q", content, got, want)
		}
	}
	wrong := errors.New("wrong")
	if got := Other(wrong, []byte("tallyvault-key ")); !errors.Is(got, wrong) || got.Error() != "wrong: the file looks like a private key" {
		t.Error(got)
	}
	if Other(nil, []byte("tallyvault-key ")) != nil {
		t.Error("an error was made of none")
	}
}
