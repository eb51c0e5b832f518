package examples

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
)

// A node that joined after genesis proves itself by the chain of policies, and a node
// that asks for time is given it. One that no chain leads to is told nothing.
func TestNewcomer(t *testing.T) {
	languages(t, func(t *testing.T, dir, interpreter string) {
		read(t, dir)
		file := map[string]string{"python": "tallyvault.py", "nodejs": "tallyvault.mjs"}[dir]
		key := filepath.Join(t.TempDir(), "sunny.key")
		if err := os.WriteFile(key, []byte(vectorKey(t, "sunny").File), 0o600); err != nil {
			t.Fatal(err)
		}
		get := func(n *newcomer) (string, int) {
			cmd := exec.Command(interpreter, filepath.Join(dir, file), "get", "/v1/meters",
				"--genesis", "vectors/genesis.json", "--key", key, "--node", n.server.URL)
			cmd.Env = append(cmd.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			out, _ := cmd.CombinedOutput() // the status is looked at
			return string(out), cmd.ProcessState.ExitCode()
		}
		joined := newNewcomer(t, "node-d", vectorKey(t, "node-d").Seed)
		if out, status := get(joined); status != 0 || !strings.Contains(out, `"meters"`) {
			t.Errorf("node-d is asked with status %d: %s", status, out)
		}
		if len(joined.asked) != 2 || joined.asked[1].Sub(joined.asked[0]) < retryAfter {
			t.Errorf("node-d was asked at %v, though it asked for %v", joined.asked, retryAfter)
		}
		stranger := newNewcomer(t, "node-x", vectorKey(t, "windy").Seed)
		if out, status := get(stranger); status != 3 || !strings.Contains(out, "node-x") || len(stranger.asked) > 0 {
			t.Errorf("node-x is asked %d times, with status %d: %s", len(stranger.asked), status, out)
		}
	})
}

const retryAfter = time.Second

// newcomer serves what the examples ask of a node, under a TLS key that its node key
// has signed.
type newcomer struct {
	server *httptest.Server
	mu     sync.Mutex
	asked  []time.Time // for what takes a token
}

func newNewcomer(t *testing.T, name, seed string) *newcomer {
	t.Helper()
	n := &newcomer{}
	g, err := genesis.Parse(vector(t, "genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	var chain struct {
		Chain string `json:"chain"`
	}
	if err := json.Unmarshal(vector(t, "chain.json"), &chain); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/policy", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(chain) })
	mux.HandleFunc("/v1/meters", n.meters)
	n.server = httptest.NewTLSServer(mux)
	t.Cleanup(n.server.Close)
	pins := api.NewPins(g.Cluster, name, []api.Pin{api.PinOf(n.server.Certificate())}, time.Now()).Sign(ed25519.NewKeyFromSeed(raw))
	mux.HandleFunc("/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"nodes":[{"node":%q,"this":true,"pins":%s}]}`, name, pins.JSON())
	})
	return n
}

// meters asks for time at first.
func (n *newcomer) meters(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, time.Now())
	if len(n.asked) == 1 {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"code":"RateLimited","detail":"too many"}`))
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		w.WriteHeader(http.StatusUnauthorized)
	}
	_, _ = w.Write([]byte(`{"meters":[]}`))
}

func vector(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// keyVector is what the test needs of an element of keys.json.
type keyVector struct {
	Name string `json:"name"`
	Seed string `json:"seed"`
	File string `json:"key_file"`
}

func vectorKey(t *testing.T, name string) keyVector {
	t.Helper()
	var keys struct {
		Good []keyVector `json:"good"`
	}
	if err := json.Unmarshal(vector(t, "keys.json"), &keys); err != nil {
		t.Fatal(err)
	}
	for _, k := range keys.Good {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("keys.json has no key of %s", name)
	return keyVector{}
}
