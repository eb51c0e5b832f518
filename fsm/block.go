package fsm

import (
	"encoding/binary"
	"fmt"
	"io"
)

// WriteBlock writes bytes behind their 32-bit length, as all parts of a snapshot stand.
func WriteBlock(w io.Writer, b []byte) error {
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(b)))
	if _, err := w.Write(length[:]); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// ReadBlock reads what WriteBlock wrote. It takes memory only for a length within the
// limit, since a length may be damaged or a lie.
func ReadBlock(r io.Reader, limit uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, fmt.Errorf("cut short: %w", err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > limit {
		return nil, fmt.Errorf("block of %d bytes, more than %d", n, limit)
	}
	block := make([]byte, n)
	if _, err := io.ReadFull(r, block); err != nil {
		return nil, fmt.Errorf("cut short: %w", err)
	}
	return block, nil
}
