package api

import (
	"fmt"
	"strconv"
)

// Uint64 is an unsigned number that JSON carries as a decimal string, since
// many JSON readers would round a large number.
type Uint64 uint64

// MarshalText writes the canonical decimal.
func (u Uint64) MarshalText() ([]byte, error) {
	return strconv.AppendUint(nil, uint64(u), 10), nil
}

// UnmarshalText reads a canonical decimal and nothing else.
func (u *Uint64) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a 64-bit decimal: %w", text, err)
	}
	if len(text) > 1 && text[0] == '0' {
		return fmt.Errorf("decimal %q has leading zeros", text)
	}
	*u = Uint64(n)
	return nil
}

// Uint64s converts a list of plain numbers, never to null.
func Uint64s(numbers []uint64) []Uint64 {
	list := make([]Uint64, 0, len(numbers))
	for _, n := range numbers {
		list = append(list, Uint64(n))
	}
	return list
}
