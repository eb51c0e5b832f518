package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func readBlocks(text string) (blocks []block, err error) {
	r := newEventReader(iotest.OneByteReader(strings.NewReader(text)))
	for {
		b, err := r.next(func() {})
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, b)
	}
}

func TestEventReader(t *testing.T) {
	for text, want := range map[string][]block{
		"id: 7\nevent: cut\ndata: {}\n\n":                {{"7", "cut", "{}"}},
		"id:7\r\nevent:cut\r\ndata:{}\r\n\r\n":           {{"7", "cut", "{}"}},
		"id: 7\revent: cut\rdata: {}\r\r":                {{"7", "cut", "{}"}},
		"data: a\ndata:  b\n\n":                          {{"", "", "a\n b"}},
		": a comment\nretry: 5\nunknown: x\nid: 3\n\n":   {{"3", "", ""}},
		"data\n\nid: 1\n\n":                              {{}, {"1", "", ""}},
		"id: a\x00b\ndata: x\n\n":                        {{"", "", "x"}},
		"id: 1\ndata: whole\n\nid: 2\ndata: cut off\n":   {{"1", "", "whole"}},
		"id: 1\ndata: whole\n\nid: 2\ndata: cut off":     {{"1", "", "whole"}},
		"id: 1\ndata: whole\n\nid: 2\ndata: cut off\n\r": {{"1", "", "whole"}, {"2", "", "cut off"}},
	} {
		if got, err := readBlocks(text); !reflect.DeepEqual(got, want) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
		}
	}
	r := newEventReader(strings.NewReader("data: " + strings.Repeat("x", maxEventLine) + "\n\n"))
	if _, err := r.next(func() {}); !errors.Is(err, bufio.ErrTooLong) {
		t.Errorf("a line without end: %v", err)
	}
}

// What was written as blocks is read as such, however it is cut into reads; nothing
// else does harm.
func FuzzEventReader(f *testing.F) {
	f.Add("7", "cut", `{"a":1}`, "id: 1\r\ndata: x\n\n")
	f.Fuzz(func(t *testing.T, id, event, data, rest string) {
		plain := func(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }
		if _, err := readBlocks(rest); err == nil {
			t.Error("a stream had no end")
		}
		if !plain(id) || !plain(event) || !plain(data) {
			return
		}
		got, _ := readBlocks(fmt.Sprintf("id: %s\nevent: %s\ndata: %s\n\n%s", id, event, data, rest))
		if len(got) == 0 || got[0] != (block{id, event, data}) {
			t.Errorf("read %q", got)
		}
	})
}
