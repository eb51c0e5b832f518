package main

import (
	"context"
	"crypto/tls"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// exceptions are the lines of README.md that are not simply run, by how they begin.
// What is not named here is run as it stands, once, in its place.
var exceptions = []struct {
	begins string
	how    string // "" leaves it to TestDocumentedCommandsExist
	why    string
}{
	{"go run ", "", "the gate runs the demo"},
	{"go test ", "", "this is it"},
	{"make ", "", "the gate builds"},
	{"tallyvault demo", "", "the gate runs the demo"},
	{"tallyvault bench", "", "it takes minutes; testdata/bench.txtar has a short one"},
	{"tallyvault energy import", "", "it needs a file of meter data; the importer's scripts run it"},
	{"tallyvault serve", "stays", "a node"},
	{"tallyvault oracle agent --genesis", "stays", "it follows the readings"},
	{"tallyvault status", "again", "the nodes take a moment to elect a leader"},
	{"tallyvault oracle explain", "again", "the agent takes a moment to decide"},
	{"tallyvault explain", "again", "a reading takes a moment to close"},
	{"tallyvault receipt get", "again", "the same"},
}

// between are commands that README.md leaves to its reader, before the line that
// needs them.
var between = []struct{ before, run string }{
	// The next reading, which settles. Its oracles attest by hand: what the agent
	// says depends on the hour.
	{"tallyvault oracle agent --genesis", "tallyvault energy submit-reading --genesis genesis.json --key sunny.key --meter roof-1 --register 1200.000"},
	{"tallyvault oracle agent --genesis", "tallyvault oracle attest --genesis genesis.json --key olga.key --market energy --from 2 --to 2"},
	{"tallyvault oracle agent --genesis", "tallyvault oracle attest --genesis genesis.json --key omar.key --market energy --from 1 --to 2"},
	{"tallyvault audit", "stop a"},
}

// reader is somebody who types what a page says into a shell.
type reader struct {
	t       *testing.T
	dir     string
	exports []string
	ports   *strings.Replacer
	nodes   map[string]func() // stop what runs in a directory
}

// TestReadmeRuns types README.md from the first node to the audit, and every
// example of the page that a node serves at /reference.
func TestReadmeRuns(t *testing.T) {
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("SKIPPED: no %s here; the examples of README.md were NOT run", program)
		}
	}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, dir: t.TempDir(), ports: freePorts(t), nodes: map[string]func(){}}
	r.write("curl/.curlrc", "silent\nshow-error\nfail-with-body\nmax-time = 20\n")
	r.exports = []string{"export CURL_HOME=" + r.dir + "/curl TALLYVAULT_OPS_ADDR=127.0.0.1:0"}
	if err := os.Symlink(filepath.Join(root, "deploy"), filepath.Join(r.dir, "deploy")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, e := range ofPage(t, filepath.Join(repository, "README.md")) {
		if e.json || e.inline || !r.types(e) {
			continue
		}
		ran++
		if strings.HasPrefix(e.text, "curl") && strings.Contains(e.text, "schemas") {
			r.reference()
		}
	}
	if ran < 25 {
		t.Errorf("%d lines of README.md were run, and there were more", ran)
	}
}

// types runs one line as its kind demands, after what it needs.
func (r *reader) types(e example) bool {
	r.t.Helper()
	how := "once"
	for _, s := range exceptions {
		if strings.HasPrefix(e.text, s.begins) {
			how = s.how
		}
	}
	if how == "" {
		return false
	}
	for _, b := range between {
		node, stop := strings.CutPrefix(b.run, "stop ")
		switch {
		case !strings.HasPrefix(e.text, b.before):
		case stop:
			r.nodes[node]()
		default:
			r.must(b.run, bound)
		}
	}
	text, _, _ := strings.Cut(e.text, " #")
	text = strings.TrimSpace(r.ports.Replace(text))
	switch {
	case strings.HasPrefix(text, "export "):
		r.exports = append(r.exports, text)
	case how == "stays":
		r.stay(text)
	case how == "again":
		r.again(e, text)
	default:
		if out, err := r.shell(text, bound); err != nil {
			r.t.Fatalf("%s\n\tdoes not work: %v\n%s\nCorrect the page; or, if the line cannot be run as it stands, say so in exceptions, or what has to come before it in between (docs_run_test.go)", e, err, out)
		}
	}
	return true
}

func (r *reader) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) command(ctx context.Context, text string) *exec.Cmd {
	script := strings.Join(append([]string{"set -e"}, append(r.exports, text)...), "\n")
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.WaitDelay = r.dir, time.Second
	cmd.Stdin = strings.NewReader(strings.Repeat("yes\n", 4)) // whoever signs has read it
	return cmd
}

func (r *reader) shell(text string, limit time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), limit)
	defer cancel()
	out, err := r.command(ctx, text).CombinedOutput()
	return string(out), err
}

func (r *reader) must(text string, limit time.Duration) string {
	r.t.Helper()
	out, err := r.shell(text, limit)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", text, err, out)
	}
	return out
}

// again runs a line until it succeeds.
func (r *reader) again(e example, text string) {
	r.t.Helper()
	for deadline := time.Now().Add(bound); ; {
		out, err := r.shell(text, bound)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%s\n\tdoes not work within %s: %v\n%s", e, bound, err, out)
		}
		<-time.After(200 * time.Millisecond) // between two looks at what takes its time elsewhere
	}
}

// stay starts what goes on until the test ends, or until a node is stopped.
func (r *reader) stay(text string) {
	r.t.Helper()
	cmd := r.command(context.Background(), "exec "+text)
	log, err := os.Create(filepath.Join(r.dir, "log-"+strconv.Itoa(len(text))))
	if err != nil {
		r.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-ended:
		case <-time.After(bound):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	if m := regexp.MustCompile(`serve --dir (\w+)`).FindStringSubmatch(text); m != nil {
		r.nodes[m[1]] = stop
	}
	r.t.Cleanup(stop)
}

// pagePorts are the addresses that README.md uses.
var pagePorts = []string{"127.0.0.1:7101", "127.0.0.1:7102", "127.0.0.1:7103", "127.0.0.1:7201", "127.0.0.1:7202", "127.0.0.1:7203", "127.0.0.1:9402", "127.0.0.1:9403"}

func freePorts(t *testing.T) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, page := range pagePorts {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all are held until the end, so that no two are the same
		pairs = append(pairs, page, l.Addr().String())
	}
	return strings.NewReplacer(pairs...)
}

// values are what somebody who tries the reference chooses for its variables.
var values = map[string]string{
	"NAME": "SubmitReadingPayload", "LEAF": "0", "TILE": "0/000", "MARKET": "energy", "NUMBER": "1", "PROVIDER": "sunny",
	"DISBURSEMENT": strings.Repeat("00", 32),
}

var (
	block    = regexp.MustCompile(`(?s)<pre tabindex="0"><code>(.*?)</code></pre>`)
	variable = regexp.MustCompile(`\$\{([A-Z_]+)\}`)
)

// reference runs every example of the page, as it stands there.
func (r *reader) reference() {
	r.t.Helper()
	blocks := block.FindAllStringSubmatch(r.page(), -1)
	if len(blocks) < 20 {
		r.t.Fatalf("the reference has %d examples", len(blocks))
	}
	kept := r.exports
	defer func() { r.exports = kept }()
	r.must("cp a/api.crt api.crt", bound)
	for _, b := range blocks {
		text := html.UnescapeString(b[1])
		if strings.HasPrefix(text, "export ") {
			r.exports = append(r.exports, text)
			continue
		}
		for _, v := range variable.FindAllStringSubmatch(text, -1) {
			if values[v[1]] == "" {
				r.t.Fatalf("/reference shows\n%s\nGive $%s a value in values (docs_run_test.go)", text, v[1])
			}
			r.exports = append(r.exports, "export "+v[1]+"="+values[v[1]])
		}
		if strings.Contains(text, "/v1/events") {
			text = "timeout 2 " + text + " || [ $? = 124 ] # it never ends by itself"
		}
		out, err := r.shell(text, bound)
		if strings.Contains(out, `"code":"NotFound"`) && !strings.Contains(out, `"kind":"route"`) {
			continue // nobody has settled anything yet
		}
		if strings.Contains(text, "/v1/treasury/") && strings.Contains(out, `"reason":"other_than_path"`) {
			continue // the file at hand is a reading, and the path says what it wants
		}
		if err != nil || out == "" {
			r.t.Errorf("the example at /reference does not work: %v\n%s\n%s", err, text, out)
		}
		if strings.HasPrefix(text, "tallyvault energy submit-reading") {
			r.keep()
		}
	}
}

// keep notes what the examples after the first reading are about.
func (r *reader) keep() {
	r.t.Helper()
	r.must("cp command.json commands.ndjson", bound)
	out := r.must("tallyvault submit command.json --json", bound)
	values["ID"] = regexp.MustCompile(`[0-9a-f]{64}`).FindString(out)
	values["KEY"] = regexp.MustCompile(`[0-9a-f]{32}`).FindString(r.must("tallyvault key show ann.key", bound))
}

// page is the reference as a browser gets it.
func (r *reader) page() string {
	r.t.Helper()
	c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: bound} // only its text is of interest
	defer c.CloseIdleConnections()
	response, err := c.Get(r.ports.Replace("https://127.0.0.1:7201/reference"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}
