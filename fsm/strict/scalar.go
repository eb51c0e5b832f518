package strict

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"

	"lukechampine.com/uint128"
)

// decimal reads a canonical unsigned decimal: digits only, no leading zero.
func decimal[T ~[]byte | ~string](s T) (uint64, bool) {
	if len(s) == 0 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		digit := uint64(s[i] - '0')
		if s[i] < '0' || s[i] > '9' || n > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}

func notDecimal[T ~[]byte | ~string](s T) error {
	return fmt.Errorf("%.40q is not a canonical decimal below 2^64", string(s))
}

// ParseAmount reads a canonical unsigned decimal below 2^128.
func ParseAmount(s string) (Amount, error) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return Amount{}, fmt.Errorf("%.40q is not a decimal", s)
		}
	}
	n, err := uint128.FromString(s)
	if err != nil || n.String() != s {
		return Amount{}, fmt.Errorf("%.40q is not a canonical decimal below 2^128", s)
	}
	return n, nil
}

func setHex(text []byte, v reflect.Value) error {
	for _, c := range text {
		if c >= 'A' && c <= 'F' {
			return errors.New("hex is not lower case")
		}
	}
	if len(text)%2 != 0 {
		return errors.New("not hex")
	}
	if v.Kind() == reflect.Slice {
		v.SetBytes(make([]byte, len(text)/2))
	}
	into := v.Bytes()
	if len(text) != 2*len(into) {
		return fmt.Errorf("hex of %d bytes, want %d", len(text)/2, len(into))
	}
	if _, err := hex.Decode(into, text); err != nil {
		return errors.New("not hex")
	}
	return nil
}
