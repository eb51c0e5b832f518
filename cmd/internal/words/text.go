package words

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Grouped writes a decimal number with a comma every three digits, since
// 10000000 and 1000000 look alike.
func Grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var groups []string
	for len(digits) > 3 {
		groups = append([]string{digits[len(digits)-3:]}, groups...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, groups...), ",")
}

func grouped(n uint64) string { return Grouped(strconv.FormatUint(n, 10)) }

// Register writes a register value in the market's whole unit: units counts
// 10^-decimals of it.
func Register(units uint64, decimals uint8) string {
	digits := strconv.FormatUint(units, 10)
	if decimals == 0 {
		return Grouped(digits)
	}
	if short := int(decimals) + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - int(decimals)
	return Grouped(digits[:point]) + "." + digits[point:]
}

var errRegister = errors.New("want digits with at most one decimal point, like 1234.5")

// ParseRegister reads a decimal number of whole units as register units. More
// digits than the meter has are refused unless they are zeros: rounding a
// register is not for this program to decide.
func ParseRegister(text string, decimals uint8) (uint64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" || strings.HasSuffix(text, ".") {
		return 0, fmt.Errorf("register %q: %w", text, errRegister)
	}
	kept := strings.TrimRight(fraction, "0")
	if len(kept) > int(decimals) {
		return 0, fmt.Errorf("register %q has more than the %d decimals of its meter", text, decimals)
	}
	n, err := strconv.ParseUint(whole+kept+strings.Repeat("0", int(decimals)-len(kept)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("register %q does not fit 64 bits in units of 10^-%d", text, decimals)
	}
	return n, nil
}

// Time writes unix milliseconds in UTC.
func Time(ms int64) string {
	const layout = "2006-01-02 15:04:05"
	t := time.UnixMilli(ms).UTC()
	if ms%1000 != 0 {
		return t.Format(layout+".000") + " UTC"
	}
	return t.Format(layout) + " UTC"
}

// Span writes a length of time in its two largest units.
func Span(d time.Duration) string {
	seconds := int64(math.Round(d.Seconds()))
	switch {
	case seconds >= 2*86_400:
		return fmt.Sprintf("%d days %d h", seconds/86_400, seconds%86_400/3_600)
	case seconds >= 2*3_600:
		return fmt.Sprintf("%d h %d min", seconds/3_600, seconds%3_600/60)
	case seconds >= 120:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	case seconds >= 1:
		return fmt.Sprintf("%d s", seconds)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

// Percent writes parts per million without loss.
func Percent(ppm uint64) string {
	text := fmt.Sprintf("%d.%04d", ppm/10_000, ppm%10_000)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " %"
}

// ShortHash is the part of a hash that people compare by eye or aloud.
func ShortHash(hash []byte) string {
	h := fmt.Sprintf("%x", hash[:8])
	return h[0:4] + " " + h[4:8] + " " + h[8:12] + " " + h[12:16]
}

// Plural counts things: the word for one, with an s for others.
func Plural(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + one + "s"
}

// Shown makes text safe to show on a terminal: what steers one (escape sequences, also
// of eight bits, and marks that turn the direction of writing) is written as JSON would
// escape it. Names in files and what nodes answer are other people's text.
func Shown(text string) string {
	if strings.IndexFunc(text, steers) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if steers(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steers(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError)
}

// name shows an id as it is and quotes whatever is none. A payload's strings
// are free text until the rules judge them: unquoted, one could finish the
// sentence it stands in, or steer the terminal.
func name(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._/-%", r)
	}) < 0
	if plain && s != "" {
		return s
	}
	return strconv.QuoteToASCII(s)
}

func names(list []string) []string {
	said := make([]string, 0, len(list))
	for _, s := range list {
		said = append(said, name(s))
	}
	return said
}
