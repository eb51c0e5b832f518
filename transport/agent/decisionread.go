package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrNoDecisions says that there is no decision log where one is looked for.
var ErrNoDecisions = errors.New("there is no decision log")

// ReadDecisions reads a decision log, oldest decision first. It may be in use.
func ReadDecisions(path string, yield func(Decision) error) error {
	found := false
	_, err := readLog(path, func(logHead) error { found = true; return nil }, yield)
	if err == nil && !found {
		return fmt.Errorf("%w at %s", ErrNoDecisions, path)
	}
	return err
}

// readLog reads the files of a log, oldest first. torn is the size of the newest
// file without a last line that is not whole, or -1 if all lines are.
func readLog(path string, begin func(logHead) error, yield func(Decision) error) (torn int64, err error) {
	oldest := 0
	for oldest < mostLogFiles && exists(numbered(path, oldest+1)) {
		oldest++
	}
	torn = -1
	for n := oldest; n >= 0; n-- {
		file, err := os.Open(numbered(path, n))
		if errors.Is(err, os.ErrNotExist) {
			continue // begun anew only when the next decision comes
		}
		if err != nil {
			return -1, fmt.Errorf("reading the decision log: %w", err)
		}
		whole, size, err := readLogFile(file, begin, yield)
		file.Close()
		if err != nil {
			return -1, fmt.Errorf("decision log %s: %w", file.Name(), err)
		}
		if whole < size && n > 0 {
			return -1, fmt.Errorf("decision log %s: its last line is not whole, and it is not the newest file", file.Name())
		}
		if whole < size {
			torn = whole
		}
	}
	return torn, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// readLogFile reads one file; whole counts the bytes of its whole lines.
func readLogFile(file io.Reader, begin func(logHead) error, yield func(Decision) error) (whole, size int64, err error) {
	in := bufio.NewReaderSize(file, maxLogLine)
	for number := 1; ; number++ {
		line, err := in.ReadSlice('\n')
		size += int64(len(line))
		if errors.Is(err, io.EOF) {
			return whole, size, nil
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			return whole, size, fmt.Errorf("line %d is longer than %d bytes", number, maxLogLine)
		}
		if err != nil {
			return whole, size, err
		}
		if err := readLogLine(line, number, begin, yield); err != nil {
			return whole, size, fmt.Errorf("line %d: %w", number, err)
		}
		whole = size
	}
}

func readLogLine(line []byte, number int, begin func(logHead) error, yield func(Decision) error) error {
	in := json.NewDecoder(bytes.NewReader(line))
	if number == 1 {
		var head logHead
		if err := in.Decode(&head); err != nil || head.Log != logName {
			return errors.New("this is no decision log of an oracle agent")
		}
		if head.Version != logVersion {
			return fmt.Errorf("version %d of the decision log is not known to this program", head.Version)
		}
		return begin(head)
	}
	var d Decision
	if err := in.Decode(&d); err != nil {
		return err
	}
	if err := d.check(); err != nil {
		return err
	}
	return yield(d)
}
