package intervals

import "strings"

// MaxQualityWord is the length that a word about a reading's quality may have.
const MaxQualityWord = 32

// QualityWord turns what a file says of a value into a word that a reading may
// carry: lower-case letters, digits, - _ and . stay, upper-case letters become
// lower-case, any other character becomes -, a word that would not start with a
// letter gets q- in front, and what is too long is cut. Nothing stays nothing.
func QualityWord(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	word := plain(text)
	if word[0] < 'a' || word[0] > 'z' {
		word = "q-" + word
	}
	return word[:min(len(word), MaxQualityWord)]
}

// plain keeps the characters that an id may have.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, text)
}
