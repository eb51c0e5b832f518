package nem12

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// file is one reading of one file.
type file struct {
	*intervals.Collector
	line    int
	version string   // of the 100 record; "" before it and behind a 900 record
	ended   int      // line of the last 900 record
	channel *channel // of the last 200 record; nil before the first
	day     *day     // of the last 300 record, until its 400 records are read
	days    map[calendarDay]int
	read    map[string]string // the newest register of a meter of NEM13, as written
}

// Read reads a whole file into the collector.
func Read(input io.Reader, c *intervals.Collector) error {
	f := &file{Collector: c, days: map[calendarDay]int{}, read: map[string]string{}}
	lines := bufio.NewScanner(c.Lines(input))
	lines.Buffer(nil, intervals.MaxLineBytes+1)
	for lines.Scan() {
		f.line++
		text := lines.Bytes()
		if f.line == 1 {
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
		}
		fields, err := split(string(text))
		if err == nil && len(fields) == 0 {
			continue
		}
		switch {
		case err == nil:
			err = f.record(fields)
		case f.version == "":
			err = f.record([]string{string(text)}) // which refuses it, with the file
		default:
			err = f.Skip(f.line, "", err)
		}
		if err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	switch {
	case f.version == "" && f.ended == 0:
		return errors.New("the file is empty: want a 100 record first")
	case f.version != "":
		return errors.New("the file is cut short: it does not end with a 900 record")
	}
	return nil
}

// split parts a line into fields without blanks around them and without empty ones
// at the end. Quotes are rare, and then as in any CSV.
func split(line string) ([]string, error) {
	var fields []string
	if strings.Contains(line, `"`) {
		var err error
		if fields, err = csv.NewReader(strings.NewReader(line)).Read(); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("not a line of CSV: %w", err)
		}
	} else {
		fields = strings.Split(line, ",")
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	for len(fields) > 0 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	return fields, nil
}

// record takes one record. Only what makes the file as a whole unusable is an
// error, or anything when the reading is strict.
func (f *file) record(fields []string) error {
	if f.version == "" && fields[0] != "100" {
		if f.ended > 0 {
			return fmt.Errorf("line %d: a record behind the 900 record of line %d that ends the file", f.line, f.ended)
		}
		return fmt.Errorf("line %d: the file begins with %.20q and not with a 100 record", f.line, fields[0])
	}
	if fields[0] == "400" {
		return f.quality(fields)
	}
	if fields[0] == "500" || fields[0] == "550" {
		return nil
	}
	take := f.kind(fields[0])
	if take == nil {
		// A line that is no record ends no day: its 400 records may still come.
		return f.Skip(f.line, "", fmt.Errorf("%s has no records that begin with %.20q", f.version, fields[0]))
	}
	if err := f.finishDay(); err != nil {
		return err
	}
	return take(fields)
}

// kind is what takes the records that begin with an indicator; nil for none.
func (f *file) kind(indicator string) func([]string) error {
	switch {
	case indicator == "100":
		return f.header
	case indicator == "900":
		return f.end
	case indicator == "200" && f.version == nem12:
		return f.open
	case indicator == "300" && f.version == nem12:
		return f.values
	case indicator == "250" && f.version == nem13:
		return f.quantity
	}
	return nil
}

func (f *file) end([]string) error {
	f.version, f.ended, f.channel = "", f.line, nil
	return nil
}

// The versions of the format.
const (
	nem12 = "NEM12"
	nem13 = "NEM13"
)

func (f *file) header(fields []string) error {
	switch {
	case f.version != "":
		return fmt.Errorf("line %d: a second 100 record before the 900 record of the first", f.line)
	case len(fields) < 2 || fields[1] != nem12 && fields[1] != nem13:
		return fmt.Errorf("line %d: the 100 record is of neither %s nor %s", f.line, nem12, nem13)
	}
	f.version = fields[1]
	return nil
}
