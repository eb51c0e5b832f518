package bench

import (
	"context"
	"io"
	"net"
	"net/url"
	"slices"
	"syscall"
	"testing"

	"github.com/tallyvault/tallyvault/transport/api"
)

func TestJudgeLines(t *testing.T) {
	const (
		first  = `{"line":1,"outcome":{"id":"a","accepted":true,"entry":"7","leaf":"40"}}` + "\n"
		last   = `{"line":2,"outcome":{"id":"b","accepted":true,"entry":"7","leaf":"41"}}` + "\n"
		said   = `{"line":1,"outcome":{"accepted":false,"code":"NonceReplay","cause":"it said \"accepted\":true","entry":"7","leaf":"40"}}` + "\n"
		door   = `{"line":1,"problem":{"status":422,"code":"NotFound"}}` + "\n"
		away   = `{"line":1,"problem":{"status":503,"code":"Unavailable"}}` + "\n"
		nobody = `{"line":1,"problem":{"status":504,"code":"Unavailable"}}` + "\n"
	)
	for _, c := range []struct {
		name, body     string
		accepted, open int
		refused        []string
		fails          bool
	}{
		{"accepted", first + last, 2, 0, nil, false},
		{"refused, with a text that looks like it", said + last, 1, 0, []string{"NonceReplay"}, false},
		{"refused at the door", door + last, 1, 0, []string{"NotFound"}, false},
		{"nobody there", away + last, 1, 1, nil, false},
		{"unknown", nobody + last, 1, 1, nil, false},
		{"a line is missing", first, 0, 0, nil, true},
		{"cut off", first + last[:20], 0, 0, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := judgeLines([]byte(c.body), 2)
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if !c.fails && (v.accepted != c.accepted || v.open != c.open || !slices.Equal(v.refused, c.refused) || v.leaf != 41 || v.entry != 7) {
				t.Errorf("%+v", v)
			}
		})
	}
}

func TestJudgeWhole(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status, n  int
		want       verdict
	}{
		{"accepted", `{"accepted":true,"entry":"3","leaf":"9"}`, 200, 1, verdict{accepted: 1, entry: 3, leaf: 9}},
		{"refused and logged", `{"code":"NonceReplay","outcome":{"accepted":false,"code":"NonceReplay","leaf":"9"}}`, 409, 1, verdict{refused: []string{"NonceReplay"}, leaf: 9}},
		{"refused at the door", `{"code":"NotFound"}`, 404, 1, verdict{refused: []string{"NotFound"}}},
		{"a whole batch too many", `{"code":"RateLimited"}`, 429, 3, verdict{open: 3}},
		{"unknown", `{"code":"Unavailable"}`, 504, 2, verdict{open: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := judgeWhole([]byte(c.body), c.status, c.n)
			if err != nil || v.accepted != c.want.accepted || v.open != c.want.open || v.leaf != c.want.leaf || v.entry != c.want.entry || !slices.Equal(v.refused, c.want.refused) {
				t.Errorf("%+v, %v; want %+v", v, err, c.want)
			}
		})
	}
	if _, err := judgeWhole([]byte("<html>"), 502, 1); err == nil {
		t.Error("an answer that is no document was taken for one")
	}
}

// Why a request was sent again is counted, so the same reason must have the same
// words whatever the connection or the command.
func TestReasons(t *testing.T) {
	unavailable := &api.Problem{Status: 503, Code: "Unavailable", Fields: map[string]string{"reason": "the leader has changed"}}
	var v verdict
	v.take(api.BatchLine{Problem: unavailable})
	v.take(api.BatchLine{Problem: &api.Problem{Status: 504, Code: "Unavailable"}})
	for _, c := range []struct {
		verdict verdict
		err     error
		want    string
	}{
		{v, nil, "Unavailable: the leader has changed"},
		{verdict{}, &url.Error{Op: "Post", URL: "https://127.0.0.1:1234", Err: io.EOF}, "connection: EOF"},
		{verdict{}, &url.Error{Op: "Post", Err: context.DeadlineExceeded}, "connection: no answer in time"},
		{verdict{}, &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Addr: &net.TCPAddr{Port: 1234}, Err: syscall.ECONNREFUSED}}, "connection: dial: connection refused"},
	} {
		if got := reasonOf(c.verdict, c.err); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
