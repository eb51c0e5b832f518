package intervals

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// sampleRecords is how many records are looked at to tell columns of numbers.
const sampleRecords = 50

// Points are the registers of all meters, in time order over all meters and at
// equal times by meter.
func (f File) Points(decimals int) ([]Point, error) {
	points := make([]Point, 0, f.Summary.Rows+len(f.Series))
	for _, s := range f.Series {
		own, err := s.Points(decimals)
		if err != nil {
			return nil, err
		}
		points = append(points, own...)
	}
	slices.SortStableFunc(points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.MeasuredAt, b.MeasuredAt), cmp.Compare(a.Meter, b.Meter))
	})
	return points, nil
}

// CSV reads a whole CSV file into the collector.
func (c *Collector) CSV(input io.Reader) error {
	f := &file{Collector: c}
	return f.read(input)
}

// read takes the header and all records.
func (f *file) read(input io.Reader) error {
	buffered := bufio.NewReader(f.Records(input))
	if mark, _ := buffered.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // These bytes were peeked at just now.
	}
	records := csv.NewReader(buffered)
	header, err := records.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty: want a header line first")
	}
	if err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	sample, lines, err := takeSample(records)
	if err != nil {
		return err
	}
	if err := f.arrange(header, sample); err != nil {
		return err
	}
	for i, record := range sample {
		if err := f.record(lines[i], i, record); err != nil {
			return err
		}
	}
	records.ReuseRecord = true
	for number := len(sample); ; number++ {
		record, line, err := next(records)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f.record(line, number, record); err != nil {
			return err
		}
	}
}

// takeSample reads the first records, which are then taken like any others.
func takeSample(records *csv.Reader) (sample [][]string, lines []int, err error) {
	for len(sample) < sampleRecords {
		record, line, err := next(records)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, err
		}
		sample, lines = append(sample, record), append(lines, line)
	}
	return sample, lines, nil
}

// next reads a record. One with too few or too many fields is returned as it
// is, for record to refuse: the reader is still in step. After a broken quote
// it is not, so that ends the reading.
func next(records *csv.Reader) (record []string, line int, err error) {
	record, err = records.Read()
	if errors.Is(err, csv.ErrFieldCount) {
		err = nil
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, 0, io.EOF
		}
		return nil, 0, fmt.Errorf("reading the file: %w", err)
	}
	line, _ = records.FieldPos(0)
	return record, line, nil
}
