package meterdata

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"strings"

	"github.com/tallyvault/tallyvault/cmd/internal/greenbutton"
	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
	"github.com/tallyvault/tallyvault/cmd/internal/nem12"
)

// Format says how a file is written.
type Format string

// The formats.
const (
	CSV         Format = "csv"
	NEM12       Format = "nem12" // NEM13 as well: the file says which
	GreenButton Format = "greenbutton"
)

// Formats lists them for people.
const Formats = "csv, nem12 or greenbutton"

// MaxParts is how many files an archive may have.
const MaxParts = 10_000

// ParseFormat reads the name of a format.
func ParseFormat(text string) (Format, error) {
	switch f := Format(strings.ToLower(text)); f {
	case CSV, NEM12, GreenButton:
		return f, nil
	}
	return "", fmt.Errorf("format %q is not known: want %s", text, Formats)
}

// ReadFile reads a whole file.
func ReadFile(name string, f Format, o intervals.Options) (intervals.File, error) {
	if err := regular(name); err != nil {
		return intervals.File{}, err
	}
	file, err := os.Open(name)
	if err != nil {
		return intervals.File{}, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	c, err := intervals.NewCollector(o)
	if err != nil {
		return intervals.File{}, err
	}
	if err := unchanged(file, func(size int64) error { return readInto(c, file, size, f) }); err != nil {
		return intervals.File{}, err
	}
	return c.Finish()
}

// unchanged refuses what was read of a file that somebody writes to: it may end in the
// middle of a number, or be half of one thing and half of another.
func unchanged(file *os.File, read func(size int64) error) error {
	before, err := file.Stat()
	if err != nil {
		return err
	}
	reading := read(before.Size())
	after, err := file.Stat()
	switch {
	case err != nil:
		return err
	case after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()):
		return errors.New("the file was changed while it was read: try again when it is whole")
	}
	return reading
}

// regular refuses what is no file in the usual sense. It asks before the file is
// opened, which waits for ever where there is a pipe that nobody writes to.
func regular(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is a pipe or a device: import a file, which can be read again", name)
	}
	return nil
}

// readInto reads a file, or each file in it if it is an archive.
func readInto(c *intervals.Collector, file io.ReaderAt, size int64, f Format) error {
	magic := make([]byte, len(zipMagic))
	if n, _ := file.ReadAt(magic, 0); !bytes.Equal(magic[:n], zipMagic) {
		return readPart(c, io.NewSectionReader(file, 0, size), f)
	}
	listed := &listing{file: file, left: maxListing}
	archive, err := zip.NewReader(listed, size)
	listed.left = math.MaxInt64 // The list is read; its files have limits of their own.
	if err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	var parts []*zip.File
	for _, part := range archive.File {
		if !part.FileInfo().IsDir() && !strings.HasPrefix(path.Base(part.Name), "._") {
			parts = append(parts, part)
		}
	}
	switch {
	case len(parts) == 0:
		return errors.New("the archive has no file in it")
	case len(parts) > MaxParts:
		return fmt.Errorf("the archive has more than the %d files that one may have", MaxParts)
	}
	for _, part := range parts {
		if len(parts) > 1 {
			c.From(part.Name)
		}
		if err := unpack(c, part, f); err != nil {
			return fmt.Errorf("%s in the archive: %w", part.Name, err)
		}
	}
	return nil
}

// maxListing bounds the list of files at the end of an archive, each of which takes
// many times its bytes in memory.
const maxListing = 16 << 20

// listing is an archive of which only so much may be read.
type listing struct {
	file io.ReaderAt
	left int64
}

// ReadAt is of [io.ReaderAt].
func (l *listing) ReadAt(p []byte, at int64) (int, error) {
	if l.left < int64(len(p)) {
		return 0, fmt.Errorf("its list of files is longer than %d bytes", maxListing)
	}
	n, err := l.file.ReadAt(p, at)
	l.left -= int64(n)
	return n, err
}

var zipMagic = []byte("PK\x03\x04")

func unpack(c *intervals.Collector, part *zip.File, f Format) error {
	content, err := part.Open()
	if err != nil {
		return err
	}
	defer content.Close() //nolint:errcheck // it was only read
	return readPart(c, content, f)
}

// readPart reads one file in its format.
func readPart(c *intervals.Collector, file io.Reader, f Format) error {
	input := bufio.NewReader(file)
	if mark, _ := input.Peek(2); string(mark) == "\xff\xfe" || string(mark) == "\xfe\xff" { // too short is for the format to refuse
		return errors.New("the file is text in UTF-16: save it as UTF-8")
	}
	switch f {
	case NEM12:
		return nem12.Read(input, c)
	case GreenButton:
		return greenbutton.Read(input, c)
	default:
		return c.CSV(input)
	}
}
