package strict

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxList bounds the number of elements of any list.
const MaxList = 65_536

// Decode fills v, a pointer to a zero struct, from one JSON object. For types
// decoded often, keep a Codec instead.
func Decode(data []byte, v any) error { return Compile(v).Decode(data, v) }

// Decode fills v, a pointer to a zero struct of the codec's type. Errors name
// the member that is wrong. After an error v is in an unspecified state.
func (c *Codec) Decode(data []byte, v any) error { return c.DecodeWith(new(Parser), data, v) }

// DecodeWith is Decode with a parser that is kept for the next object.
func (c *Codec) DecodeWith(p *Parser, data []byte, v any) error {
	target := reflect.ValueOf(v).Elem()
	if target.Type() != c.root.typ {
		panic(fmt.Sprintf("strict: decoding %v with a codec of %v", target.Type(), c.root.typ))
	}
	p.reset(data)
	if err := c.root.read(p, target); err != nil {
		return err
	}
	if _, err := p.d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON object")
	}
	return nil
}

func (p *plan) read(in *Parser, v reflect.Value) error {
	switch p.kind {
	case kindObject:
		return p.readObject(in, v)
	case kindList:
		return p.readList(in, v)
	case kindOptional:
		v.Set(reflect.New(p.elem.typ))
		return p.elem.read(in, v.Elem())
	case kindBool:
		return readBool(in, v)
	case kindNumber:
		return p.readNumber(in, v)
	case kindString, kindDecimal, kindAmount, kindHex:
		text, err := in.text()
		if err != nil {
			return err
		}
		return p.setText(text, v)
	}
	panic(fmt.Sprintf("strict: kind %d", p.kind))
}

func (p *plan) readObject(in *Parser, v reflect.Value) error {
	if err := in.expect(jsontext.KindBeginObject, "an object"); err != nil {
		return err
	}
	var seen uint64
	for in.d.PeekKind() != jsontext.KindEndObject {
		name, err := in.text()
		if err != nil {
			return err
		}
		i, known := p.byName[string(name)]
		if !known {
			return fmt.Errorf("member %q is unknown", name)
		}
		f := &p.fields[i]
		if seen&(1<<i) != 0 {
			return fmt.Errorf("member %q is duplicate", f.name)
		}
		seen |= 1 << i
		if err := f.plan.read(in, f.of(v)); err != nil {
			return inside(f.name, err)
		}
	}
	if _, err := in.d.ReadToken(); err != nil {
		return syntax(err)
	}
	if missing := p.required &^ seen; missing != 0 {
		return fmt.Errorf("member %q is missing", p.first(missing))
	}
	return nil
}

func (p *plan) readList(in *Parser, v reflect.Value) error {
	if err := in.expect(jsontext.KindBeginArray, "a list"); err != nil {
		return err
	}
	n := 0
	for ; in.d.PeekKind() != jsontext.KindEndArray; n++ {
		if n == MaxList {
			return fmt.Errorf("list has more than %d elements", MaxList)
		}
		if v.Kind() == reflect.Slice {
			v.Grow(1)
			v.SetLen(n + 1)
			v.Index(n).SetZero()
		} else if n >= v.Len() {
			return fmt.Errorf("list has more than %d elements", v.Len())
		}
		if err := p.elem.read(in, v.Index(n)); err != nil {
			return inside(strconv.Itoa(n), err)
		}
	}
	if v.Kind() == reflect.Array && n != v.Len() {
		return fmt.Errorf("list has %d elements, want %d", n, v.Len())
	}
	_, err := in.d.ReadToken()
	return syntax(err)
}

func readBool(in *Parser, v reflect.Value) error {
	if k := in.d.PeekKind(); k != jsontext.KindTrue && k != jsontext.KindFalse {
		return in.wrongKind("true or false")
	}
	t, err := in.d.ReadToken()
	if err != nil {
		return syntax(err)
	}
	v.SetBool(t.Bool())
	return nil
}

func (p *plan) readNumber(in *Parser, v reflect.Value) error {
	if in.d.PeekKind() != jsontext.KindNumber {
		return in.wrongKind("a number")
	}
	raw, err := in.d.ReadValue()
	if err != nil {
		return syntax(err)
	}
	var room [20]byte
	if p.typ.Kind() == reflect.Int64 {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil || string(strconv.AppendInt(room[:0], n, 10)) != string(raw) {
			return fmt.Errorf("number %.40s is not a canonical 64-bit integer", raw)
		}
		v.SetInt(n)
		return nil
	}
	n, ok := decimal(raw)
	if !ok || n>>p.typ.Bits() != 0 {
		return fmt.Errorf("number %.40s is not a canonical unsigned %d-bit integer", raw, p.typ.Bits())
	}
	v.SetUint(n)
	return nil
}

// setText sets what JSON spells as a string. The text is only valid until the
// parser goes on.
func (p *plan) setText(text []byte, v reflect.Value) error {
	switch p.kind {
	case kindString:
		v.SetString(string(text))
	case kindDecimal:
		n, ok := decimal(text)
		if !ok {
			return notDecimal(text)
		}
		v.SetUint(n)
	case kindAmount:
		n, err := ParseAmount(string(text))
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(n))
	default:
		return setHex(text, v)
	}
	return nil
}
