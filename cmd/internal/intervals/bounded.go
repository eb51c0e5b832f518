package intervals

import (
	"bytes"
	"fmt"
	"io"
)

// Bounded refuses what is too large before a parser keeps it in memory: more bytes
// than a file may have, all parts of an archive counted together, and pieces that are
// too long. What a piece is depends on the format.
type Bounded struct {
	input io.Reader
	read  *int
	what  string
	piece int
	// end finds where a piece ends in what was read, -1 for not there.
	end func(read []byte) int
}

// Lines bounds a file whose pieces are lines.
func (c *Collector) Lines(input io.Reader) *Bounded {
	return &Bounded{input: input, read: &c.read, what: "a line", end: func(read []byte) int { return bytes.IndexByte(read, '\n') }}
}

// Records bounds a CSV file, whose records may go on over a line's end inside of quotes.
func (c *Collector) Records(input io.Reader) *Bounded {
	quoted := false
	return &Bounded{input: input, read: &c.read, what: "a record", end: func(read []byte) int {
		for from := 0; ; {
			at := bytes.IndexByte(read[from:], '\n')
			line := read[from:]
			if at >= 0 {
				line = line[:at]
			}
			quoted = quoted != (bytes.Count(line, quote)%2 == 1)
			switch {
			case at < 0:
				return -1
			case !quoted:
				return from + at
			}
			from += at + 1
		}
	}}
}

var quote = []byte{'"'}

// Pieces bounds a file whose reader says by [Bounded.Next] where a piece ended.
func (c *Collector) Pieces(input io.Reader) *Bounded {
	return &Bounded{input: input, read: &c.read, what: "an element", end: func([]byte) int { return -1 }}
}

// Next says that a piece is over. What was read ahead counts as of the one before.
func (b *Bounded) Next() { b.piece = 0 }

func (b *Bounded) Read(p []byte) (int, error) {
	n, err := b.input.Read(p)
	*b.read += n
	if *b.read > MaxBytes {
		return 0, fmt.Errorf("the file is larger than %d bytes, counting what is packed in it", MaxBytes)
	}
	for rest := p[:n]; ; {
		at := b.end(rest)
		if at < 0 {
			b.piece += len(rest)
			break
		}
		if b.piece+at > MaxLineBytes {
			b.piece += at
			break
		}
		b.piece, rest = 0, rest[at+1:]
	}
	if b.piece > MaxLineBytes {
		return 0, fmt.Errorf("%s is longer than %d bytes", b.what, MaxLineBytes)
	}
	return n, err
}
