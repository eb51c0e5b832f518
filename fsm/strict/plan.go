package strict

import (
	"fmt"
	"math/bits"
	"reflect"
	"strings"

	"lukechampine.com/uint128"
)

// Amount is an unsigned 128-bit integer, a decimal string in JSON.
type Amount = uint128.Uint128

// kind says how a Go type is spelled in JSON.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindNumber  // signed and small unsigned integers: JSON numbers
	kindDecimal // uint64: decimal string
	kindAmount  // 128-bit: decimal string
	kindHex     // byte arrays and slices
	kindObject
	kindList
	kindOptional // pointer
)

// plan is the compiled form of one Go type.
type plan struct {
	kind   kind
	typ    reflect.Type
	elem   *plan   // kindList, kindOptional
	fields []field // kindObject, in declaration order
	byName map[string]int

	required uint64 // one bit for each field that must be there
	doc      string // kindObject: the tag `doc` of an embedded struct
}

// maxFields is how many bits tell which members of an object were seen.
const maxFields = 64

// field is one member of an object.
type field struct {
	name     string
	quoted   string // the name as JSON, with its colon
	index    []int  // reflect path, through embedded structs
	tag      reflect.StructTag
	plan     *plan
	optional bool
}

// of finds the field in its struct.
func (f *field) of(v reflect.Value) reflect.Value {
	for _, i := range f.index {
		v = v.Field(i)
	}
	return v
}

// first names the first field of a set.
func (p *plan) first(set uint64) string { return p.fields[bits.TrailingZeros64(set)].name }

// Codec reads and writes one struct type. Compile it once and keep it.
type Codec struct{ root *plan }

// Compile builds the codec of the struct type that v has or points to. It
// panics on a type that the package doc's table does not list: that is a
// mistake in the program, found by the first test that runs it.
func Compile(v any) *Codec {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	p := compile(t)
	if p.kind != kindObject {
		panic(fmt.Sprintf("strict: %v is not a struct", t))
	}
	return &Codec{root: p}
}

func compile(t reflect.Type) *plan {
	p := &plan{typ: t}
	if t == reflect.TypeFor[Amount]() {
		p.kind = kindAmount
		return p
	}
	switch t.Kind() {
	case reflect.String:
		p.kind = kindString
	case reflect.Bool:
		p.kind = kindBool
	case reflect.Uint64:
		p.kind = kindDecimal
	case reflect.Int64, reflect.Uint32, reflect.Uint16, reflect.Uint8:
		p.kind = kindNumber
	case reflect.Pointer:
		p.kind, p.elem = kindOptional, compile(t.Elem())
	case reflect.Array, reflect.Slice:
		p.kind = kindHex
		if t.Elem().Kind() != reflect.Uint8 {
			p.kind, p.elem = kindList, compile(t.Elem())
		}
	case reflect.Struct:
		p.kind, p.byName = kindObject, make(map[string]int)
		p.addFields(t, nil)
	default:
		panic(fmt.Sprintf("strict: type %v has no JSON form", t))
	}
	return p
}

func (p *plan) addFields(t reflect.Type, path []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int{}, path...), i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if p.doc == "" {
				p.doc = f.Tag.Get("doc")
			}
			p.addFields(f.Type, index)
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			panic(fmt.Sprintf("strict: %v.%s has no json tag", t, f.Name))
		}
		if _, dup := p.byName[name]; dup {
			panic(fmt.Sprintf("strict: %v has two members named %q", p.typ, name))
		}
		if len(p.fields) == maxFields {
			panic(fmt.Sprintf("strict: %v has more than %d members", p.typ, maxFields))
		}
		p.byName[name] = len(p.fields)
		optional := option == "optional" || f.Type.Kind() == reflect.Pointer
		if !optional {
			p.required |= 1 << len(p.fields)
		}
		quoted := string(append(appendString(nil, name), ':'))
		p.fields = append(p.fields, field{
			name: name, quoted: quoted, index: index, tag: f.Tag, plan: compile(f.Type), optional: optional,
		})
	}
}
