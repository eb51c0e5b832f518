package strict

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Parser is the memory that decoding needs besides its result. Whoever decodes
// many objects keeps one; it is used by one goroutine at a time.
type Parser struct {
	in       bytes.Buffer
	d        jsontext.Decoder
	unquoted []byte
}

// Objects here have few members, all of them known, so that a bit for each finds
// duplicates sooner than a table of the names seen.
var options = jsontext.AllowDuplicateNames(true)

func (p *Parser) reset(data []byte) {
	// The decoder reads a bytes.Buffer in place and leaves its bytes alone.
	p.in = *bytes.NewBuffer(data)
	p.d.Reset(&p.in, options)
}

// text reads a string. It is valid until the next read.
func (p *Parser) text() ([]byte, error) {
	if p.d.PeekKind() != jsontext.KindString {
		return nil, p.wrongKind("a string")
	}
	raw, err := p.d.ReadValue()
	if err != nil {
		return nil, syntax(err)
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	p.unquoted, err = jsontext.AppendUnquote(p.unquoted[:0], raw)
	return p.unquoted, syntax(err)
}

func (p *Parser) expect(kind jsontext.Kind, what string) error {
	if p.d.PeekKind() != kind {
		return p.wrongKind(what)
	}
	_, err := p.d.ReadToken()
	return syntax(err)
}

// wrongKind explains an unexpected token; a syntax error there comes first.
func (p *Parser) wrongKind(want string) error {
	t, err := p.d.ReadToken()
	if err != nil {
		return syntax(err)
	}
	return fmt.Errorf("want %s, found %s", want, t.Kind())
}

func syntax(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return errors.New("JSON ends too early")
	}
	return fmt.Errorf("not valid JSON: %w", err)
}

func inside(name string, err error) error { return fmt.Errorf("%s: %w", name, err) }
