package agent

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxPolicyBytes bounds a policy file.
const maxPolicyBytes = 1 << 20

// Flaw is what is wrong with a policy, and where.
type Flaw struct {
	Member       string // like "rule 2: night.from"; "" is the whole file
	Line, Column int    // counted from 1; 0 if the policy did not come from a text
	Reason       string

	pointer jsontext.Pointer
}

func (f *Flaw) Error() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", f.Line, f.Column)
	}
	if f.Member != "" {
		b.WriteString(f.Member + ": ")
	}
	return b.String() + f.Reason
}

// ReadPolicy reads a policy file.
func ReadPolicy(file string) (Policy, error) {
	f, err := os.Open(file)
	if err != nil {
		return Policy{}, fmt.Errorf("reading the policy: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPolicyBytes+1))
	if err != nil {
		return Policy{}, fmt.Errorf("reading the policy: %w", err)
	}
	p, err := ParsePolicy(text)
	if err != nil {
		return Policy{}, fmt.Errorf("policy %s: %w", file, err)
	}
	for name, source := range p.References {
		if source.File != "" && !filepath.IsAbs(source.File) {
			source.File = filepath.Join(filepath.Dir(file), source.File)
			p.References[name] = source
		}
	}
	return p, nil
}

// ParsePolicy reads a policy. A member it does not know is refused, since a
// misspelt limit would be no limit. What is wrong is a *[Flaw], or several that
// are joined.
func ParsePolicy(text []byte) (Policy, error) {
	if len(text) > maxPolicyBytes {
		return Policy{}, &Flaw{Reason: fmt.Sprintf("the policy has more than %d bytes", maxPolicyBytes)}
	}
	places, err := locate(text)
	if err != nil {
		return Policy{}, flawOf(text, err)
	}
	var p Policy
	if err := json.Unmarshal(text, &p, json.RejectUnknownMembers(true)); err != nil {
		return Policy{}, flawOf(text, err)
	}
	p.Default = p.Default.or(Abstain)
	var in inspection
	in.present(places, reflect.ValueOf(p), "")
	flaws := in.found
	if len(flaws) == 0 {
		flaws = p.flaws()
	}
	for _, f := range flaws {
		f.Line, f.Column = position(text, places.nearest(f.pointer))
	}
	if len(flaws) > 0 {
		return Policy{}, joined(flaws)
	}
	return p, nil
}

// present demands the members that every object of a type must have: those whose
// tag does not allow to omit them.
func (in *inspection) present(found places, v reflect.Value, at jsontext.Pointer) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			in.present(found, v.Elem(), at)
		}
	case reflect.Slice:
		for i := range v.Len() {
			in.present(found, v.Index(i), at.AppendToken(strconv.Itoa(i)))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			in.present(found, v.MapIndex(key), at.AppendToken(key.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, rest, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			member := at.AppendToken(name)
			if _, there := found[member]; !there && rest == "" {
				in.add(member, "it is missing")
			}
			in.present(found, v.Field(i), member)
		}
	default: // holds no members
	}
}

func joined(flaws []*Flaw) error {
	errs := make([]error, 0, len(flaws))
	for _, f := range flaws {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

// places are the offsets at which members and elements of a text begin.
type places map[jsontext.Pointer]int64

// locate walks over a text. It refuses what is no JSON, and null, which would
// read as an absent member.
func locate(text []byte) (places, error) {
	found := places{}
	in := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		token, err := in.ReadToken()
		if errors.Is(err, io.EOF) && len(found) > 0 {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		at, pointer := in.InputOffset()-int64(len(token.String())), in.StackPointer()
		if token.Kind() == jsontext.KindString {
			at -= 2 // its quotes
		}
		if token.Kind() == jsontext.KindNull {
			return nil, &Flaw{pointer: pointer, Reason: "null is no value: leave the member out", Line: int(at)}
		}
		if _, known := found[pointer]; !known {
			found[pointer] = max(at, 0)
		}
	}
}

// nearest is the offset of a member, or of what it is missing from.
func (p places) nearest(pointer jsontext.Pointer) int64 {
	for ; pointer != ""; pointer = pointer.Parent() {
		if at, ok := p[pointer]; ok {
			return at
		}
	}
	return p[""]
}

// flawOf says in our words what the decoder found, and where.
func flawOf(text []byte, err error) *Flaw {
	var mine *Flaw
	var wrongForm *jsontext.SyntacticError
	var wrongValue *json.SemanticError
	at, f := int64(len(text)), &Flaw{Reason: err.Error()}
	switch {
	case errors.As(err, &mine):
		at, f = int64(mine.Line), mine
	case errors.As(err, &wrongForm):
		at, f = wrongForm.ByteOffset, &Flaw{pointer: wrongForm.JSONPointer, Reason: wrongForm.Err.Error()}
	case errors.As(err, &wrongValue):
		at, f = wrongValue.ByteOffset, &Flaw{pointer: wrongValue.JSONPointer, Reason: semantic(wrongValue)}
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		f.Reason = "the policy ends too soon"
	}
	if at < int64(len(text)) {
		at += int64(len(text[at:]) - len(bytes.TrimLeft(text[at:], " \t\r\n,:")))
	}
	f.Member = memberOf(f.pointer)
	f.Line, f.Column = position(text, at)
	return f
}

// semantic says why a value does not fit.
func semantic(e *json.SemanticError) string {
	switch {
	case errors.Is(e.Err, json.ErrUnknownName):
		return "there is no such member"
	case e.JSONKind != 0 && e.JSONKind != jsontext.KindString && e.GoType != nil && reflect.PointerTo(e.GoType).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return fmt.Sprintf("%s does not belong here: want a string, in quotes", kinds[e.JSONKind])
	case e.Err != nil:
		return e.Err.Error()
	case e.JSONKind != 0 && e.GoType != nil:
		return fmt.Sprintf("%s does not belong here", kinds[e.JSONKind])
	}
	return e.Error()
}

var kinds = map[jsontext.Kind]string{
	jsontext.KindNull: "null", jsontext.KindTrue: "true", jsontext.KindFalse: "false", jsontext.KindString: "a string",
	jsontext.KindNumber: "a number", jsontext.KindBeginObject: "an object", jsontext.KindBeginArray: "a list",
}

// memberOf names a place as people count: rules from 1.
func memberOf(pointer jsontext.Pointer) string {
	var rule string
	var path []string
	for token := range pointer.Tokens() {
		if len(path) == 1 && path[0] == "rules" && rule == "" {
			if n, err := strconv.Atoi(token); err == nil {
				rule, path = fmt.Sprintf("rule %d", n+1), nil
				continue
			}
		}
		path = append(path, token)
	}
	if rule != "" && len(path) > 0 {
		rule += ": "
	}
	return rule + strings.Join(path, ".")
}

// position is the line and column of an offset, counted from 1.
func position(text []byte, at int64) (line, column int) {
	before := text[:min(at, int64(len(text)))]
	return bytes.Count(before, []byte("\n")) + 1, len(before) - bytes.LastIndexByte(before, '\n')
}
