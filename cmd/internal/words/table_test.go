package words

import "testing"

func TestColumns(t *testing.T) {
	rows := [][]string{{"account", "held", "note"}, {"züri", "1,200", ""}, {"a", "5"}}
	for _, c := range []struct {
		right []int
		want  string
	}{
		{nil, "account  held   note\nzüri     1,200\na        5\n"},
		{[]int{1}, "account   held  note\nzüri     1,200\na            5\n"},
	} {
		if got := Columns(rows, c.right...); got != c.want {
			t.Errorf("right %v:\n%swant\n%s", c.right, got, c.want)
		}
	}
}

func TestWrapped(t *testing.T) {
	for _, c := range []struct {
		text   string
		width  int
		indent string
		want   string
	}{
		{"", 10, "", "\n"},
		{"one two three", 7, "", "one two\nthree\n"},
		{"one two three", 100, "", "one two three\n"},
		{"one two three", 7, "  ", "one two\n  three\n"},
		{"unbreakable word", 3, "", "unbreakable\nword\n"},
		{"äöü äöü", 7, "", "äöü äöü\n"},
	} {
		if got := Wrapped(c.text, c.width, c.indent); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
