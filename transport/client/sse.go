package client

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxEventLine bounds a line of a stream: a receipt has 32 KiB at most.
const maxEventLine = 1 << 20

// block is one block of a stream of server-sent events. One without data is no
// event; its id counts all the same.
type block struct{ id, event, data string }

// eventReader reads server-sent events as the HTML standard says.
type eventReader struct{ lines *bufio.Scanner }

func newEventReader(r io.Reader) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxEventLine)
	lines.Split(splitLines)
	return &eventReader{lines: lines}
}

// splitLines ends a line at CR LF, LF or CR. What comes behind the last one is no
// line, since the stream was cut there.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	for i, b := range data {
		switch {
		case b == '\n':
			return i + 1, data[:i], nil
		case b == '\r' && i+1 < len(data) && data[i+1] == '\n':
			return i + 2, data[:i], nil
		case b == '\r' && (i+1 < len(data) || atEOF):
			return i + 1, data[:i], nil
		}
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}

// next is the next block. line is called for every line, comments too. A block that
// was cut off is none: then the error is io.ErrUnexpectedEOF, or what reading gave.
func (r *eventReader) next(line func()) (block, error) {
	var b block
	var data []string
	for r.lines.Scan() {
		line()
		text := r.lines.Text()
		if text == "" {
			b.data = strings.Join(data, "\n")
			return b, nil
		}
		field, value, _ := strings.Cut(text, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			if !strings.Contains(value, "\x00") {
				b.id = value
			}
		case "event":
			b.event = value
		case "data":
			data = append(data, value)
		}
	}
	if err := r.lines.Err(); err != nil {
		return block{}, err
	}
	return block{}, errors.Join(errStreamEnd, io.ErrUnexpectedEOF)
}

// errStreamEnd says that a stream ended without saying why.
var errStreamEnd = errors.New("the stream of events ended")
