package cluster

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tallyvault/tallyvault/cluster/journal"
)

// A staging is a file of records that have been fetched but not yet checked. It
// need not survive a crash: a node that restarts fetches again.
type staging struct {
	file  *os.File
	out   *bufio.Writer
	count uint64
}

func createStaging(path string) (*staging, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make a file for fetched records: %w", err)
	}
	return &staging{file: f, out: bufio.NewWriterSize(f, 1<<18)}, nil
}

func (s *staging) put(record []byte) error {
	if err := writeRecord(s.out, record); err != nil {
		return fmt.Errorf("keep a fetched record: %w", err)
	}
	s.count++
	return nil
}

// each calls fn for every record in order.
func (s *staging) each(fn func(n uint64, record []byte) error) error {
	next, err := s.records()
	if err != nil {
		return err
	}
	for n := range s.count {
		record, err := next()
		if err == nil {
			err = fn(n, record)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// records returns a function that gives one record after the other, and io.EOF
// behind the last.
func (s *staging) records() (func() ([]byte, error), error) {
	err := s.out.Flush()
	if err == nil {
		_, err = s.file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, fmt.Errorf("read fetched records: %w", err)
	}
	in := bufio.NewReaderSize(s.file, 1<<18)
	return func() ([]byte, error) {
		record, err := readRecord(in)
		if err != nil && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read fetched records: %w", err)
		}
		return record, err
	}, nil
}

func (s *staging) remove() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name())
}

// Records travel and wait as a length of four bytes and their bytes.

func writeRecord(w io.Writer, record []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(record)))
	if _, err := w.Write(length[:]); err != nil {
		return err
	}
	_, err := w.Write(record)
	return err
}

// readRecord returns io.EOF exactly between two records.
func readRecord(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > journal.MaxRecord {
		return nil, fmt.Errorf("record of %d bytes, more than %d", n, journal.MaxRecord)
	}
	record := make([]byte, n)
	if _, err := io.ReadFull(r, record); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("record is cut short: %w", err)
	}
	return record, nil
}
