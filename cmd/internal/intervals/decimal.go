package intervals

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
)

const (
	// maxDigits is what fits 64 bits whatever the digits are. A float printed
	// in full has 17.
	maxDigits = 19

	// minExponent and maxExponent bound 10^x in a value, so that a short text
	// such as 1e999999999 cannot ask for a gigabyte of digits.
	minExponent = -40
	maxExponent = 20
)

var (
	errEmpty    = errors.New("empty value")
	errNotExact = errors.New("not a decimal number")
	errNegative = errors.New("negative value: a register cannot run backwards")
	errRange    = errors.New("more digits or a larger exponent than any meter has")
)

// decimal is the exact number coefficient x 10^exponent.
type decimal struct {
	coefficient uint64
	exponent    int8
}

// parseDecimal reads digits with an optional point and an optional exponent,
// such as 0.5, 12, .5, 1e-07 or 1.66E-06. A value is either kept exactly or
// refused; it is never rounded.
func parseDecimal(text string) (decimal, error) {
	text = strings.Trim(text, " \t")
	if text == "" {
		return decimal{}, errEmpty
	}
	text, negative := strings.CutPrefix(text, "-")
	if !negative {
		text, _ = strings.CutPrefix(text, "+")
	}
	mantissa, exponent := text, 0
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		var err error
		if exponent, err = parseExponent(text[at+1:]); err != nil {
			return decimal{}, err
		}
		mantissa = text[:at]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return decimal{}, errNotExact
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	if kept := strings.TrimRight(digits, "0"); len(kept) < len(digits) {
		exponent += len(digits) - len(kept)
		digits = kept
	}
	switch {
	case digits == "":
		return decimal{}, nil // Zero has one form, whatever its sign and exponent.
	case negative:
		return decimal{}, errNegative
	case len(digits) > maxDigits || exponent < minExponent || exponent > maxExponent:
		return decimal{}, errRange
	}
	coefficient, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return decimal{}, errNotExact
	}
	return decimal{coefficient: coefficient, exponent: int8(exponent)}, nil
}

func parseExponent(text string) (int, error) {
	digits := strings.TrimLeft(text, "+-")
	if len(text)-len(digits) > 1 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errNotExact
	}
	exponent, err := strconv.Atoi(text)
	if err != nil || exponent < -maxBytesExponent || exponent > maxBytesExponent {
		return 0, errRange
	}
	return exponent, nil
}

// maxBytesExponent is beyond any exponent that zeros inside a line could bring
// back into range.
const maxBytesExponent = 2 * MaxLineBytes

// shifted is the number times 10^by.
func (d decimal) shifted(by int) (decimal, error) {
	exponent := int(d.exponent) + by
	switch {
	case d.coefficient == 0:
		return d, nil
	case exponent < minExponent || exponent > maxExponent:
		return d, errRange
	}
	d.exponent = int8(exponent)
	return d, nil
}

// scaled sets into to the number times 10^-minExponent, which is whole.
func (d decimal) scaled(into *big.Int) {
	into.SetUint64(d.coefficient)
	into.Mul(into, powerOfTen(int(d.exponent)-minExponent))
}

// powersOfTen holds 10^0 to 10^(maxExponent-minExponent), which are read only.
var powersOfTen = func() []*big.Int {
	powers := make([]*big.Int, maxExponent-minExponent+1)
	for i := range powers {
		powers[i] = new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(i)), nil)
	}
	return powers
}()

func powerOfTen(exponent int) *big.Int { return powersOfTen[exponent] }
