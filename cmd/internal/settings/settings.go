package settings

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
)

// maxSize bounds a configuration file.
const maxSize = 1 << 20

// Setting is one name with its value, or with its values if it was a list.
type Setting struct {
	Line   int
	Name   string
	Values []string
	List   bool
}

// ReadFile reads a configuration file.
func ReadFile(path string) ([]Setting, error) {
	text, err := smallfile.Read(path, maxSize)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	list, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return list, nil
}

// Parse reads the text of a configuration file. Errors name the line.
func Parse(text []byte) ([]Setting, error) {
	if len(text) > maxSize || !utf8.Valid(text) {
		return nil, fmt.Errorf("want UTF-8 text of at most %d bytes", maxSize)
	}
	var list []Setting
	lines := map[string]int{}
	for i, line := range strings.Split(string(text), "\n") {
		before := len(list)
		var err error
		if list, err = add(list, i+1, strings.TrimRight(line, " \r")); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(list) == before {
			continue
		}
		name := list[before].Name
		if first := lines[name]; first > 0 {
			return nil, fmt.Errorf("line %d: %q is set on line %d already", i+1, name, first)
		}
		lines[name] = i + 1
	}
	for _, s := range list {
		if len(s.Values) == 0 {
			return nil, fmt.Errorf("line %d: %q has no value", s.Line, s.Name)
		}
	}
	return list, nil
}

// add takes one line: nothing, a setting, or an item of the list that the last
// setting began.
func add(list []Setting, number int, line string) ([]Setting, error) {
	bare := strings.TrimLeft(line, " ")
	if bare == "" || bare[0] == '#' {
		return list, nil
	}
	if strings.Contains(line, "\t") {
		return nil, errors.New("a tab: use spaces")
	}
	if item, ok := strings.CutPrefix(bare, "- "); ok {
		last := len(list) - 1
		if last < 0 || !list[last].List {
			return nil, errors.New("a list item without a name above it")
		}
		value, err := scalar(item)
		list[last].Values = append(list[last].Values, value)
		return list, err
	}
	if len(bare) < len(line) {
		return nil, errors.New("a setting must begin at the start of its line: nesting is not supported")
	}
	name, rest, ok := strings.Cut(line, ":")
	if !ok || !validName(name) || (rest != "" && rest[0] != ' ') {
		return nil, fmt.Errorf("%.60q is neither \"name: value\" nor \"- item\"", line)
	}
	s := Setting{Line: number, Name: name}
	if rest = strings.TrimLeft(rest, " "); rest == "" || rest[0] == '#' {
		s.List = true
		return append(list, s), nil
	}
	value, err := scalar(rest)
	s.Values = []string{value}
	return append(list, s), err
}

// scalar reads one value, quoted or plain, and what may follow it: a comment.
func scalar(text string) (string, error) {
	text = strings.TrimLeft(text, " ")
	switch {
	case text == "":
		return "", errors.New("an empty value must be written as \"\"")
	case text[0] == '"' || text[0] == '\'':
		value, rest, err := unquote(text)
		if rest = strings.TrimLeft(rest, " "); err == nil && rest != "" && rest[0] != '#' {
			err = fmt.Errorf("something follows the closing quote in %.60q", text)
		}
		return value, err
	}
	text, _, _ = strings.Cut(text, " #")
	text = strings.TrimRight(text, " ")
	if strings.ContainsAny(text[:1], "[]{}&*!|>%@`,?#-") && text != "-" {
		return "", fmt.Errorf("%.60q: plain values do not begin with %q; quote it, or write a list as lines of \"- item\"", text, text[:1])
	}
	if strings.Contains(text, ": ") {
		return "", fmt.Errorf("%.60q looks like a nested setting: quote it if it is not", text)
	}
	return text, nil
}

// unquote reads up to the closing quote. In double quotes a backslash makes a
// quote or itself plain, in single ones a doubled quote is a quote.
func unquote(text string) (value, rest string, err error) {
	quote, escape := text[0], byte('\\')
	if quote == '\'' {
		escape = quote
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		c := text[i]
		if c == escape && i+1 < len(text) && (text[i+1] == quote || text[i+1] == escape) {
			i++
			b.WriteByte(text[i])
			continue
		}
		if c == quote {
			return b.String(), text[i+1:], nil
		}
		if c == escape {
			return "", "", fmt.Errorf(`only \" and \\ are known in %.60q`, text)
		}
		b.WriteByte(c)
	}
	return "", "", fmt.Errorf("no closing quote in %.60q", text)
}

func validName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
