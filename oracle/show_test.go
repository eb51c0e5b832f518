package oracle

import (
	"fmt"
	"strings"
	"testing"
)

// show is an effect in one line, with what the tests ask about.
func show(e Effect) string {
	switch f := e.(type) {
	case DueExpire:
		return fmt.Sprintf("due-expire %d at %d", f.Number, f.Height)
	case DueClose:
		return fmt.Sprintf("due-close %s at %d", f.Meter, f.Height)
	case DueRelease:
		return fmt.Sprintf("due-release %d at %d", f.Settlement, f.Height)
	case Closed:
		out := fmt.Sprintf("closed %d %s", f.Reading.Number, f.Status)
		if f.Reason != "" {
			out += " " + string(f.Reason)
		}
		if f.Status == QuorumFailed {
			out += fmt.Sprintf(" %d of %d", f.Actual, f.Required)
		}
		return out
	case Settled:
		set := f.Settlement
		return fmt.Sprintf("settled %d delta %d gross %v fee %v net %v", set.ToNumber, set.Delta, set.Gross, set.Fee, set.Net)
	case Released:
		return fmt.Sprintf("released %d", f.Settlement.Number)
	case Equivocated:
		return fmt.Sprintf("equivocated %s %d %s %s", f.Oracle, f.Number, f.First, f.Second)
	}
	return fmt.Sprintf("%T", e)
}

func shown(fx []Effect) []string {
	var out []string
	for _, e := range fx {
		out = append(out, show(e))
	}
	return out
}

// expect compares effects with lines, given one per argument.
func expect(t *testing.T, fx []Effect, want ...string) {
	t.Helper()
	if got := strings.Join(shown(fx), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("effects are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// refused compares a refusal, or none, with its line.
func refused(t *testing.T, r *Refusal, want string) {
	t.Helper()
	got := ""
	if r != nil {
		got = r.Error()
	}
	if got != want {
		t.Errorf("refusal is %q, want %q", got, want)
	}
}

// rows is the image of a state as one string.
func rows(s *State) string {
	var b strings.Builder
	s.Image(func(row []byte) { fmt.Fprintf(&b, "%x\n", row) })
	return b.String()
}

func consistent(t interface{ Fatal(...any) }, s *State) {
	if err := s.Consistent(); err != nil {
		t.Fatal(err)
	}
}
