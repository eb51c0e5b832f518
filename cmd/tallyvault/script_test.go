package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What the scripts can do beyond the stock commands.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":     exits,
	"mode":      mode,
	"flip":      flip,
	"ports":     ports,
	"serve":     serveProcess,
	"crash":     crash,
	"halt":      halt,
	"await":     await,
	"leader":    leader,
	"setenv":    setenv,
	"sum":       sum,
	"swallower": swallower,
	"fetch":     fetch,
}

// bound is how long a script waits for a state.
const bound = 30 * time.Second

// exits STATUS COMMAND...: the command must end with exactly this status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// mode OCTAL FILE...: the files have these permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode OCTAL FILE...")
	}
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	for _, path := range args[1:] {
		info, err := os.Stat(ts.MkAbs(path))
		ts.Check(err)
		if got := info.Mode().Perm(); got != os.FileMode(want) {
			ts.Fatalf("%s has mode %04o, want %04o", path, got, want)
		}
	}
}

// flip FILE TEXT: changes the byte behind the first TEXT in FILE; again, and it
// is as before.
// Done twice, nothing has happened. \n in TEXT is a line's end.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: flip FILE TEXT")
	}
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	text := []byte(strings.ReplaceAll(args[1], `\n`, "\n"))
	at := bytes.Index(data, text)
	if at < 0 || at+len(text) == len(data) {
		ts.Fatalf("%s has no byte behind %q", args[0], text)
	}
	data[at+len(text)] = another(data[at+len(text)])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.WriteFile(path, data, info.Mode()))
}

// another is a byte that stands where b could stand: a digit for a digit, a
// letter for a letter, so that hex stays hex and base64 stays base64. Done twice
// it is undone.
func another(b byte) byte {
	switch {
	case b >= 'a' && b <= 'z':
		return 'a' + ((b - 'a') ^ 1)
	case b >= 'A' && b <= 'Z':
		return 'A' + ((b - 'A') ^ 1)
	case b == '+':
		return '/'
	case b == '/':
		return '+'
	}
	return b ^ 1
}

// ports NAME...: sets each variable to a free address on loopback.
func ports(ts *testscript.TestScript, neg bool, args []string) {
	// All are held until the end, so that no two are the same.
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		defer l.Close()
		ts.Setenv(name, l.Addr().String())
	}
}

// setenv NAME REGEXP FILE: sets a variable to what the group in REGEXP finds in
// FILE.
func setenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: setenv NAME REGEXP FILE")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile(args[2]))
	if len(found) != 2 {
		ts.Fatalf("%s does not match %s with one group", args[2], args[1])
	}
	ts.Setenv(args[0], found[1])
}

// sum TOTAL PART...: the parts add up to the total.
func sum(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: sum TOTAL PART...")
	}
	left := 0
	for i, arg := range args {
		n, err := strconv.Atoi(arg)
		ts.Check(err)
		if i > 0 {
			n = -n
		}
		left += n
	}
	if left != 0 {
		ts.Fatalf("%s is not the sum of %s", args[0], strings.Join(args[1:], " and "))
	}
}

type processKey struct{}

// process is a node that a script runs in the background.
type process struct {
	cmd   *exec.Cmd
	ended chan error
}

func processes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processKey{}).(map[string]*process)
}

// serve NAME FLAG...: runs tallyvault serve in the background and returns when
// it has said where it listens, which is then in NAME.out; its log is NAME.log.
func serveProcess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve NAME FLAG...")
	}
	name := args[0]
	program, err := exec.LookPath("tallyvault")
	ts.Check(err)
	log, err := os.OpenFile(ts.MkAbs(name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	ts.Check(err)
	defer log.Close()
	cmd := exec.Command(program, append([]string{"serve"}, args[1:]...)...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), log
	stdout, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p := &process{cmd: cmd, ended: make(chan error, 1)}
	processes(ts)[name] = p
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		<-p.ended
	})
	said := make(chan string, 1)
	go func() {
		text := ""
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			if text += scan.Text() + "\n"; strings.HasPrefix(scan.Text(), "ops ") {
				said <- text
			}
		}
		p.ended <- cmd.Wait()
		close(p.ended)
	}()
	select {
	case text := <-said:
		ts.Check(os.WriteFile(ts.MkAbs(name+".out"), []byte(text), 0o644))
	case err := <-p.ended:
		ts.Fatalf("%s ended: %v\n%s", name, err, ts.ReadFile(name+".log"))
	case <-time.After(bound):
		ts.Fatalf("%s does not say where it listens\n%s", name, ts.ReadFile(name+".log"))
	}
}

// crash NAME: kills a node without warning.
func crash(ts *testscript.TestScript, neg bool, args []string) {
	p := processes(ts)[args[0]]
	ts.Check(p.cmd.Process.Kill())
	<-p.ended
}

// halt NAME...: asks nodes to stop and demands that they do so in order.
func halt(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Check(processes(ts)[name].cmd.Process.Signal(syscall.SIGTERM))
	}
	for _, name := range args {
		select {
		case err := <-processes(ts)[name].ended:
			if err != nil {
				ts.Fatalf("%s: %v\n%s", name, err, ts.ReadFile(name+".log"))
			}
		case <-time.After(bound):
			ts.Fatalf("%s does not stop\n%s", name, ts.ReadFile(name+".log"))
		}
	}
}

// await REGEXP COMMAND...: runs a command again and again until it succeeds and
// its output matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP COMMAND...")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(bound); ; {
		out, err := quietly(ts, args[1:])
		if err == nil && want.MatchString(out) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("waited %s for %s; the last answer was (%v)\n%s", bound, args[0], err, out)
		}
		<-time.After(100 * time.Millisecond) // between two looks at what takes its time elsewhere
	}
}

// quietly runs a command without a word in the script's log.
func quietly(ts *testscript.TestScript, args []string) (string, error) {
	program, err := exec.LookPath(args[0])
	ts.Check(err)
	cmd := exec.Command(program, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"TALLYVAULT_GENESIS", "TALLYVAULT_KEY", "TALLYVAULT_API"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// leader NAME: sets a variable to the name of the node that leads.
func leader(ts *testscript.TestScript, neg bool, args []string) {
	deadline := time.Now().Add(bound)
	for {
		out, err := quietly(ts, []string{"tallyvault", "status", "--json"})
		var s clusterStatus
		if err == nil {
			ts.Check(json.Unmarshal([]byte(out), &s))
		}
		for _, n := range s.Nodes {
			if n.Status != nil && n.Status.Role == "leader" {
				ts.Setenv(args[0], n.Status.Node)
				return
			}
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nobody leads: %v\n%s", err, out)
		}
		<-time.After(100 * time.Millisecond)
	}
}

// swallower NAME: sets a variable to the URL of a server that takes commands and
// never answers, and lets programs trust its certificate.
func swallower(ts *testscript.TestScript, neg bool, args []string) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		panic(http.ErrAbortHandler)
	}))
	ts.Defer(server.Close)
	ca := filepath.Join(ts.MkAbs("."), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	ts.Check(os.WriteFile(ca, pem.EncodeToMemory(block), 0o644))
	ts.Setenv("SSL_CERT_FILE", ca)
	ts.Setenv(args[0], server.URL)
}

// fetch URL FILE: writes what a local server answers with status 200 into a file.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch URL FILE")
	}
	client := http.Client{Timeout: bound}
	response, err := client.Get(args[0])
	ts.Check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o644))
	if response.StatusCode != http.StatusOK {
		ts.Fatalf("%s answered %s: %s", args[0], response.Status, body)
	}
}
