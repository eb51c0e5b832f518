// Package smallfile reads and writes files that people hand over. What is written is
// there whole or not at all. What is read is read whole, and only up to a size that an
// honest file never has. The size is held against what is read, not against
// what the file system says of it, which knows none of a pipe or a device.
package smallfile

import (
	"fmt"
	"io"
	"os"
)

// Read reads a file of at most so many bytes.
func Read(path string, most int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	return From(file, path, most)
}

// From reads at most so many bytes of what has a name.
func From(input io.Reader, name string, most int) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(input, int64(most)+1))
	switch {
	case err != nil:
		return nil, err
	case len(content) > most:
		return nil, fmt.Errorf("%s is larger than the %d bytes that such a file can have", name, most)
	}
	return content, nil
}
