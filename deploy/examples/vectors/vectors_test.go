package vectors

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the vectors anew")

const hour = time.Hour

func at(ms int64) time.Time { return time.UnixMilli(ms) }

// file compares a vector file with what it has to be, or writes it.
func file(t *testing.T, name string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the program says (%v): go test ./deploy/examples/vectors -run Vectors -update, and read the difference", name, err)
	}
}

// document is a vector file of cases.
func document(t *testing.T, name string, cases any) {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(cases); err != nil {
		t.Fatal(err)
	}
	file(t, name, text.Bytes())
}
