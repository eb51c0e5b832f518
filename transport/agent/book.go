package agent

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Formats of a reference.
const (
	formatCSV  = "csv"
	formatJSON = "json"
)

// maxBookRows bounds how many registers a reference may have.
const maxBookRows = 4 << 20

// Book is a reference that was read: registers of meters in order of measuring.
type Book struct {
	rows  map[string][]Register
	count int
}

// ReadBook reads a reference in a format. Every row must be right, and the
// registers of a meter must not fall: a reference that contradicts itself is none.
func ReadBook(input io.Reader, format string) (*Book, error) {
	b := &Book{rows: map[string][]Register{}}
	read := b.readCSV
	if format == formatJSON {
		read = b.readJSON
	}
	if err := read(input); err != nil {
		return nil, err
	}
	for meter, rows := range b.rows {
		slices.SortFunc(rows, func(x, y Register) int { return cmp.Compare(x.MeasuredAt, y.MeasuredAt) })
		for i := 1; i < len(rows); i++ {
			if rows[i].MeasuredAt == rows[i-1].MeasuredAt {
				return nil, fmt.Errorf("meter %s has two registers at %s", meter, moment(rows[i].MeasuredAt))
			}
			if rows[i].Value < rows[i-1].Value {
				return nil, fmt.Errorf("the register of meter %s falls at %s from %d to %d", meter, moment(rows[i].MeasuredAt), rows[i-1].Value, rows[i].Value)
			}
		}
	}
	return b, nil
}

// Registers is how many registers of how many meters the book has.
func (b *Book) Registers() (registers, meters int) { return b.count, len(b.rows) }

func (b *Book) add(meter, measuredAt, register string) error {
	if meter == "" {
		return errors.New("the meter is empty")
	}
	at, err := momentOf(measuredAt)
	if err != nil {
		return err
	}
	value, err := strconv.ParseUint(register, 10, 64)
	if err != nil {
		return fmt.Errorf("register %q is no whole number below 2^64", register)
	}
	if b.count++; b.count > maxBookRows {
		return fmt.Errorf("more than %d registers", maxBookRows)
	}
	b.rows[meter] = append(b.rows[meter], Register{value, at})
	return nil
}

// momentOf reads a time: RFC 3339 or unix milliseconds.
func momentOf(text string) (int64, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return ms, nil
	}
	t, err := time.Parse(time.RFC3339, strings.Replace(text, " ", "T", 1))
	if err != nil {
		return 0, fmt.Errorf("measured_at %q is neither a time like 2026-01-10T12:00:00+10:00 nor unix milliseconds", text)
	}
	return t.UnixMilli(), nil
}

func (b *Book) readCSV(input io.Reader) error {
	in := csv.NewReader(input)
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	var columns [3]int
	for i, name := range []string{"meter", "measured_at", "register"} {
		if columns[i] = slices.IndexFunc(header, func(h string) bool { return strings.TrimSpace(h) == name }); columns[i] < 0 {
			return fmt.Errorf("the header has no column %s", name)
		}
	}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := in.FieldPos(0)
		if err := b.add(record[columns[0]], record[columns[1]], record[columns[2]]); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// text takes a JSON string or number as it is written.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	*t = text(strings.Trim(string(raw), `"`))
	return nil
}

func (b *Book) readJSON(input io.Reader) error {
	in := json.NewDecoder(input)
	if opening, err := in.Token(); err != nil || opening != json.Delim('[') {
		return errors.New("want a list of objects with meter, measured_at and register")
	}
	for n := 1; in.More(); n++ {
		var row struct {
			Meter      string `json:"meter"`
			MeasuredAt text   `json:"measured_at"`
			Register   text   `json:"register"`
		}
		if err := in.Decode(&row); err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
		if err := b.add(row.Meter, string(row.MeasuredAt), string(row.Register)); err != nil {
			return fmt.Errorf("element %d: %w", n, err)
		}
	}
	if _, err := in.Token(); err != nil {
		return fmt.Errorf("the list does not end: %w", err)
	}
	return nil
}

// at is the register of a meter at a moment: one that was measured then, or one
// between two that are no further apart than gap.
func (b *Book) at(meter string, moment int64, gap time.Duration) (uint64, bool) {
	rows := b.rows[meter]
	i, found := slices.BinarySearchFunc(rows, moment, func(r Register, at int64) int { return cmp.Compare(r.MeasuredAt, at) })
	if found {
		return rows[i].Value, true
	}
	if i == 0 || i == len(rows) {
		return 0, false
	}
	left, right := rows[i-1], rows[i]
	if time.Duration(right.MeasuredAt-left.MeasuredAt)*time.Millisecond > gap {
		return 0, false
	}
	high, low := bits.Mul64(right.Value-left.Value, uint64(moment-left.MeasuredAt))
	part, _ := bits.Div64(high, low, uint64(right.MeasuredAt-left.MeasuredAt)) // is below right - left
	return left.Value + part, true
}
