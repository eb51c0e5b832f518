package strict

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Encode writes v, a struct or a pointer to one, as one line of JSON. For types
// encoded often, keep a Codec instead.
func Encode(v any) []byte { return Compile(v).Append(nil, v) }

// Append writes v, a struct of the codec's type or a pointer to one, behind b.
// A string that is not valid UTF-8 panics: whoever builds a payload or receipt
// has checked its strings before.
func (c *Codec) Append(b []byte, v any) []byte {
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	if value.Type() != c.root.typ {
		panic(fmt.Sprintf("strict: encoding %v with a codec of %v", value.Type(), c.root.typ))
	}
	return c.root.append(b, value)
}

func (p *plan) append(b []byte, v reflect.Value) []byte {
	switch p.kind {
	case kindString:
		return appendString(b, v.String())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindNumber:
		if v.CanInt() {
			return strconv.AppendInt(b, v.Int(), 10)
		}
		return strconv.AppendUint(b, v.Uint(), 10)
	case kindDecimal:
		return append(strconv.AppendUint(append(b, '"'), v.Uint(), 10), '"')
	case kindAmount:
		return append(appendAmount(append(b, '"'), v), '"')
	case kindHex:
		return appendHex(b, v)
	case kindObject:
		return p.appendObject(b, v)
	case kindOptional:
		return p.elem.append(b, v.Elem())
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = p.elem.append(b, v.Index(i))
		}
		return append(b, ']')
	}
	panic(fmt.Sprintf("strict: kind %d", p.kind))
}

func (p *plan) appendObject(b []byte, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		value := f.of(v)
		if f.optional && value.IsZero() {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = f.plan.append(append(b, f.quoted...), value)
	}
	return append(b, '}')
}

func appendHex(b []byte, v reflect.Value) []byte {
	b = append(b, '"')
	if v.Kind() == reflect.Slice {
		b = hex.AppendEncode(b, v.Bytes())
		return append(b, '"')
	}
	if !v.CanAddr() {
		whole := reflect.New(v.Type()).Elem()
		whole.Set(v)
		v = whole
	}
	return append(hex.AppendEncode(b, v.Bytes()), '"')
}

// appendAmount spells an amount. Most fit 64 bits.
func appendAmount(b []byte, v reflect.Value) []byte {
	lo, hi := v.Field(0).Uint(), v.Field(1).Uint()
	if hi == 0 {
		return strconv.AppendUint(b, lo, 10)
	}
	return append(b, Amount{Lo: lo, Hi: hi}.String()...)
}

func appendString(b []byte, s string) []byte {
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		panic(fmt.Sprintf("strict: %q: %v", s, err))
	}
	return b
}
