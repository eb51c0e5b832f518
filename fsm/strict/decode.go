package strict

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"lukechampine.com/uint128"
)

// MaxList bounds the number of elements of any list.
const MaxList = 65_536

// Decode fills v, a pointer to a zero struct, from one JSON object. For types
// decoded often, keep a Codec instead.
func Decode(data []byte, v any) error { return Compile(v).Decode(data, v) }

// Decode fills v, a pointer to a zero struct of the codec's type. Errors name
// the member that is wrong. After an error v is in an unspecified state.
func (c *Codec) Decode(data []byte, v any) error {
	target := reflect.ValueOf(v).Elem()
	if target.Type() != c.root.typ {
		panic(fmt.Sprintf("strict: decoding %v with a codec of %v", target.Type(), c.root.typ))
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(data))
	if err := c.root.read(d, target); err != nil {
		return err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON object")
	}
	return nil
}

func (p *plan) read(d *jsontext.Decoder, v reflect.Value) error {
	switch p.kind {
	case kindObject:
		return p.readObject(d, v)
	case kindList:
		return p.readList(d, v)
	case kindOptional:
		v.Set(reflect.New(p.elem.typ))
		return p.elem.read(d, v.Elem())
	case kindBool:
		return readBool(d, v)
	case kindNumber:
		return p.readNumber(d, v)
	case kindString, kindDecimal, kindAmount, kindHex:
		s, err := readString(d)
		if err != nil {
			return err
		}
		return p.setString(s, v)
	}
	panic(fmt.Sprintf("strict: kind %d", p.kind))
}

func (p *plan) readObject(d *jsontext.Decoder, v reflect.Value) error {
	if err := expect(d, jsontext.KindBeginObject, "an object"); err != nil {
		return err
	}
	seen := make([]bool, len(p.fields))
	for d.PeekKind() != jsontext.KindEndObject {
		name, err := readString(d)
		if err != nil {
			return err
		}
		i, known := p.byName[name]
		if !known {
			return fmt.Errorf("member %q is unknown", name)
		}
		f := &p.fields[i]
		if err := f.plan.read(d, v.FieldByIndex(f.index)); err != nil {
			return inside(f.name, err)
		}
		seen[i] = true
	}
	if _, err := d.ReadToken(); err != nil {
		return syntax(err)
	}
	for i, f := range p.fields {
		if !seen[i] && !f.optional {
			return fmt.Errorf("member %q is missing", f.name)
		}
	}
	return nil
}

func (p *plan) readList(d *jsontext.Decoder, v reflect.Value) error {
	if err := expect(d, jsontext.KindBeginArray, "a list"); err != nil {
		return err
	}
	n := 0
	for ; d.PeekKind() != jsontext.KindEndArray; n++ {
		if n == MaxList {
			return fmt.Errorf("list has more than %d elements", MaxList)
		}
		elem := reflect.New(p.elem.typ).Elem()
		if err := p.elem.read(d, elem); err != nil {
			return inside(strconv.Itoa(n), err)
		}
		if v.Kind() == reflect.Slice {
			v.Set(reflect.Append(v, elem))
			continue
		}
		if n >= v.Len() {
			return fmt.Errorf("list has more than %d elements", v.Len())
		}
		v.Index(n).Set(elem)
	}
	if v.Kind() == reflect.Array && n != v.Len() {
		return fmt.Errorf("list has %d elements, want %d", n, v.Len())
	}
	_, err := d.ReadToken()
	return syntax(err)
}

func readBool(d *jsontext.Decoder, v reflect.Value) error {
	if k := d.PeekKind(); k != jsontext.KindTrue && k != jsontext.KindFalse {
		return wrongKind(d, "true or false")
	}
	t, err := d.ReadToken()
	if err != nil {
		return syntax(err)
	}
	v.SetBool(t.Bool())
	return nil
}

func (p *plan) readNumber(d *jsontext.Decoder, v reflect.Value) error {
	if d.PeekKind() != jsontext.KindNumber {
		return wrongKind(d, "a number")
	}
	t, err := d.ReadToken()
	if err != nil {
		return syntax(err)
	}
	s := t.String()
	if p.typ.Kind() == reflect.Int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != s {
			return fmt.Errorf("number %.40s is not a canonical 64-bit integer", s)
		}
		v.SetInt(n)
		return nil
	}
	n, err := strconv.ParseUint(s, 10, p.typ.Bits())
	if err != nil || strconv.FormatUint(n, 10) != s {
		return fmt.Errorf("number %.40s is not a canonical unsigned %d-bit integer", s, p.typ.Bits())
	}
	v.SetUint(n)
	return nil
}

func (p *plan) setString(s string, v reflect.Value) error {
	switch p.kind {
	case kindString:
		v.SetString(s)
	case kindDecimal:
		n, err := ParseDecimal(s)
		if err != nil {
			return err
		}
		v.SetUint(n)
	case kindAmount:
		n, err := ParseAmount(s)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(n))
	default:
		return setHex(s, v)
	}
	return nil
}

func setHex(s string, v reflect.Value) error {
	if strings.ToLower(s) != s {
		return errors.New("hex is not lower case")
	}
	raw, err := hex.DecodeString(s)
	if err != nil {
		return errors.New("not hex")
	}
	if v.Kind() == reflect.Slice {
		v.SetBytes(raw)
		return nil
	}
	if len(raw) != v.Len() {
		return fmt.Errorf("hex of %d bytes, want %d", len(raw), v.Len())
	}
	reflect.Copy(v, reflect.ValueOf(raw))
	return nil
}

// ParseDecimal reads a canonical unsigned decimal: digits only, no leading zero.
func ParseDecimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%.40q is not a canonical decimal below 2^64", s)
	}
	return n, nil
}

// ParseAmount reads a canonical unsigned decimal below 2^128.
func ParseAmount(s string) (Amount, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return Amount{}, fmt.Errorf("%.40q is not a decimal", s)
		}
	}
	n, err := uint128.FromString(s)
	if err != nil || n.String() != s {
		return Amount{}, fmt.Errorf("%.40q is not a canonical decimal below 2^128", s)
	}
	return n, nil
}

func readString(d *jsontext.Decoder) (string, error) {
	if d.PeekKind() != jsontext.KindString {
		return "", wrongKind(d, "a string")
	}
	t, err := d.ReadToken()
	if err != nil {
		return "", syntax(err)
	}
	return t.String(), nil
}

func expect(d *jsontext.Decoder, kind jsontext.Kind, what string) error {
	if d.PeekKind() != kind {
		return wrongKind(d, what)
	}
	_, err := d.ReadToken()
	return syntax(err)
}

// wrongKind explains an unexpected token; a syntax error there comes first.
func wrongKind(d *jsontext.Decoder, want string) error {
	t, err := d.ReadToken()
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
