package strict

import "reflect"

// Form is how a value is spelled in JSON.
type Form uint8

// The forms; see the table of the package doc.
const (
	FormString Form = iota
	FormBool
	FormNumber  // a number within the bounds of Bits and Signed
	FormDecimal // a decimal string below 2^64
	FormAmount  // a decimal string below 2^128
	FormHex     // lower-case hex of Size bytes, any number if Size is Any
	FormObject
	FormList // of Size elements, at most MaxList if Size is Any
)

// Any says that a size is not fixed.
const Any = -1

// Shape describes the JSON that a codec reads, for whoever documents it. It says
// no more and no less than what the codec does.
type Shape struct {
	Form    Form
	Bits    int      // FormNumber
	Signed  bool     // FormNumber
	Size    int      // FormHex, FormList
	Elem    *Shape   // FormList
	Members []Member // FormObject, in the order in which they are written
	// Doc is what the tag `doc` of an embedded struct says of the object.
	Doc string
}

// Member is one member of an object.
type Member struct {
	Name     string
	Optional bool
	Shape    *Shape
	// Tag is the field's tag. The codec reads no more of it than `json`.
	Tag reflect.StructTag
}

// Shape describes what the codec reads.
func (c *Codec) Shape() *Shape { return c.root.shape() }

func (p *plan) shape() *Shape {
	s := &Shape{Size: Any, Doc: p.doc}
	switch p.kind {
	case kindOptional:
		return p.elem.shape()
	case kindString:
		s.Form = FormString
	case kindBool:
		s.Form = FormBool
	case kindNumber:
		s.Form, s.Bits, s.Signed = FormNumber, p.typ.Bits(), p.typ.Kind() == reflect.Int64
	case kindDecimal:
		s.Form = FormDecimal
	case kindAmount:
		s.Form = FormAmount
	case kindHex:
		s.Form = FormHex
	case kindList:
		s.Form, s.Elem = FormList, p.elem.shape()
	case kindObject:
		s.Form = FormObject
		for _, f := range p.fields {
			s.Members = append(s.Members, Member{Name: f.name, Optional: f.optional, Shape: f.plan.shape(), Tag: f.tag})
		}
	default:
		s.Form = FormString
	}
	if p.typ.Kind() == reflect.Array {
		s.Size = p.typ.Len()
	}
	return s
}
