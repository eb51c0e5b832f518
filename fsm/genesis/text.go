package genesis

import (
	"strings"
	"unicode/utf8"
)

// PlainText reports whether people can read s as it is: 1 to limit bytes of UTF-8
// without control characters and without the format characters that hide or
// reorder what a terminal shows. The list is spelled out, since the tables of a
// library grow, and every replica must draw the same line.
func PlainText(s string, limit int) bool {
	if s == "" || len(s) > limit || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r < 0x20, r >= 0x7f && r <= 0x9f, r == 0xad: // controls, soft hyphen
			return false
		case r == 0x61c, r == 0x180e, r == 0xfeff: // marks without a shape
			return false
		case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f: // widths, lines, directions
			return false
		case r >= 0xfff0 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff: // annotations, tags
			return false
		}
	}
	return true
}

// PlainLines reports whether people can read s as it is, up to limit bytes in any
// number of lines, which may be empty, as may be the whole.
func PlainLines(s string, limit int) bool {
	if len(s) > limit {
		return false
	}
	for line := range strings.SplitSeq(s, "\n") {
		if line != "" && !PlainText(line, limit) {
			return false
		}
	}
	return true
}
