package greenbutton

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// Limits of a feed. They bound memory, not honest files.
const (
	maxEntries = 1 << 20
	maxLinks   = 1 << 10              // of one entry
	maxDepth   = 1 << 8               // of elements in each other
	maxLength  = 400 * 24 * time.Hour // of one interval
)

// feed is one reading of one file.
type feed struct {
	*intervals.Collector
	text     *xml.Decoder // knows where in the file it is
	decoder  *xml.Decoder // reads from it, within the limits
	types    map[string]*readingType
	readings []*meterReading
	blocks   []block
	values   int
}

// Read reads a whole file into the collector.
func Read(input io.Reader, c *intervals.Collector) error {
	pieces := c.Pieces(input)
	buffered := bufio.NewReader(pieces)
	if _, err := buffered.Peek(1); errors.Is(err, io.EOF) {
		return errors.New("the file is empty: want an Atom feed")
	}
	f := &feed{Collector: c, text: xml.NewDecoder(buffered), types: map[string]*readingType{}}
	f.decoder = xml.NewTokenDecoder(&tokens{text: f.text, pieces: pieces})
	if err := f.root(); err != nil {
		return err
	}
	if err := f.entries(); err != nil {
		return err
	}
	return f.join()
}

// root finds the feed.
func (f *feed) root() error {
	for {
		token, err := f.decoder.Token()
		if errors.Is(err, io.EOF) {
			return errors.New("the file has no XML element")
		}
		if err != nil {
			return fmt.Errorf("reading the XML: %w", err)
		}
		if start, ok := token.(xml.StartElement); ok {
			if start.Name.Local != "feed" {
				return fmt.Errorf("line %d: the root element is <%.40s>, and not the <feed> of Atom", f.line(), start.Name.Local)
			}
			return nil
		}
	}
}

func (f *feed) line() int {
	line, _ := f.text.InputPos()
	return line
}

// entries reads all entries of the feed, up to its end.
func (f *feed) entries() error {
	for entries := 0; ; {
		token, err := f.decoder.Token()
		if err != nil {
			return malformed(err)
		}
		switch element := token.(type) {
		case xml.StartElement:
			if element.Name.Local != "entry" {
				err = f.decoder.Skip()
				break
			}
			if entries++; entries > maxEntries {
				return fmt.Errorf("line %d: more than the %d entries that one feed may have", f.line(), maxEntries)
			}
			err = f.entry()
		case xml.EndElement:
			return nil
		}
		if err != nil {
			return malformed(err)
		}
	}
}

func malformed(err error) error {
	if wrong, ours := errors.AsType[*xml.SyntaxError](err); ours {
		if wrong.Msg == "unexpected EOF" {
			return fmt.Errorf("line %d: the file is cut short: the feed does not end", wrong.Line)
		}
		return fmt.Errorf("reading the XML: %w", err)
	}
	return err
}

// entry reads one entry: its links, and its content once they are known or not.
func (f *feed) entry() error {
	line := f.line()
	var links []link
	var content any
	for {
		token, err := f.decoder.Token()
		if err != nil {
			return err
		}
		switch element := token.(type) {
		case xml.StartElement:
			switch element.Name.Local {
			case "link":
				var l link
				err = f.decoder.DecodeElement(&l, &element)
				if links = append(links, l); len(links) > maxLinks {
					return fmt.Errorf("line %d: more than the %d links that one entry may have", f.line(), maxLinks)
				}
			case "content":
				content, err = f.content()
			default:
				err = f.decoder.Skip()
			}
		case xml.EndElement:
			return f.take(line, links, content)
		}
		if err != nil {
			return err
		}
	}
}

// content reads the first resource in the content of an entry that is needed.
func (f *feed) content() (content any, err error) {
	for {
		token, err := f.decoder.Token()
		if err != nil {
			return nil, err
		}
		switch element := token.(type) {
		case xml.StartElement:
			switch element.Name.Local {
			case "IntervalBlock":
				content, err = f.block()
			case "ReadingType":
				t := &readingType{line: f.line()}
				err = f.decoder.DecodeElement(t, &element)
				content = t
			case "MeterReading":
				content = &meterReading{line: f.line()}
				err = f.decoder.Skip()
			default:
				err = f.decoder.Skip()
			}
			if err != nil {
				return nil, err
			}
		case xml.EndElement:
			return content, nil
		}
	}
}

// block reads the values of a block one by one, so that each has its line.
func (f *feed) block() (*block, error) {
	b := &block{line: f.line()}
	for {
		token, err := f.decoder.Token()
		if err != nil {
			return nil, err
		}
		switch element := token.(type) {
		case xml.StartElement:
			if element.Name.Local != "IntervalReading" {
				if err := f.decoder.Skip(); err != nil {
					return nil, err
				}
				continue
			}
			if f.values++; f.values > intervals.MaxRows {
				return nil, fmt.Errorf("line %d: more than the %d values that one file may have", f.line(), intervals.MaxRows)
			}
			v := value{line: f.line()}
			if err := f.decoder.DecodeElement(&v.reading, &element); err != nil {
				return nil, err
			}
			b.values = append(b.values, v)
		case xml.EndElement:
			return b, nil
		}
	}
}

// take keeps what an entry had until all entries are known.
func (f *feed) take(line int, links []link, content any) error {
	var self, up string
	var related []string
	for _, l := range links {
		switch l.Rel {
		case "self":
			self = l.path()
		case "up":
			up = l.path()
		case "related":
			related = append(related, l.path())
		}
	}
	switch resource := content.(type) {
	case *block:
		resource.self, resource.up = self, up
		f.blocks = append(f.blocks, *resource)
	case *meterReading:
		resource.self, resource.related = self, related
		f.readings = append(f.readings, resource)
	case *readingType:
		if err := resource.understand(); err != nil {
			return f.Skip(resource.line, "", err)
		}
		if f.types[self] != nil {
			return f.Skip(line, "", fmt.Errorf("a second ReadingType %.80q", self))
		}
		f.types[self] = resource
	}
	return nil
}

// join hands the values on, now that each block can find its reading and type.
func (f *feed) join() error {
	claimed := map[string]*meterReading{}
	for _, m := range f.readings {
		for _, claim := range m.claims() {
			if claimed[claim] == nil && f.types[claim] == nil {
				claimed[claim] = m
			}
		}
	}
	for _, b := range f.blocks {
		var m *meterReading
		for _, place := range b.places() {
			if place != "" && m == nil {
				m = claimed[place]
			}
		}
		var err error
		if m == nil {
			err = f.Skip(b.line, "", errors.New("an IntervalBlock that no MeterReading of the feed claims"))
		} else {
			err = f.hand(b, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *feed) hand(b block, m *meterReading) error {
	var t *readingType
	for _, related := range m.related {
		if f.types[related] != nil {
			t = f.types[related]
		}
	}
	if t == nil {
		return f.Skip(b.line, "", fmt.Errorf("its MeterReading of line %d has no ReadingType that can be used in the feed", m.line))
	}
	name := m.name(t.direction)
	if t.unsuitable != "" {
		return f.Ignore(name, t.unsuitable, len(b.values))
	}
	if _, err := intervals.MeterID(name); err != nil {
		return f.Skip(b.line, "", err)
	}
	meter, err := f.Channel(name, t.direction)
	if err != nil {
		return err
	}
	for _, v := range b.values {
		start, length, err := v.times(t)
		if err != nil {
			err = f.Skip(v.line, name, err)
		} else {
			err = f.Add(meter, intervals.Value{
				Line: v.line, Start: start, Length: length, Text: strings.TrimSpace(v.Value), Shift: t.shift, Quality: v.quality(),
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// times are when a value began and how long it counted, in ms. A value without a
// length has the usual one of its type.
func (v value) times(t *readingType) (start, length int64, err error) {
	seconds, err := strconv.ParseInt(strings.TrimSpace(v.Start), 10, 64)
	if err != nil || seconds < 0 || seconds > lastSecond {
		return 0, 0, fmt.Errorf("the start %.30q: want Unix seconds", v.Start)
	}
	text := strings.TrimSpace(v.Duration)
	if text == "" {
		text = strings.TrimSpace(t.Length)
	}
	duration, err := strconv.ParseInt(text, 10, 64)
	if err != nil || duration <= 0 || duration > int64(maxLength/time.Second) {
		return 0, 0, fmt.Errorf("the duration %.30q: want seconds, up to 400 days", text)
	}
	return seconds * 1000, duration * 1000, nil
}

// lastSecond is the end of the year 2200.
const lastSecond = 7_289_654_400
