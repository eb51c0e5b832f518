package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tallyvault/tallyvault/transport/api"
)

// Outcome says what became of a command.
func Outcome(o api.Outcome) string {
	var b strings.Builder
	if o.Accepted {
		fmt.Fprintf(&b, "accepted: %s\n", o.Command)
		if len(o.Result) > 0 {
			fmt.Fprintf(&b, "  %s\n", facts(o.Result))
		}
	} else {
		b.WriteString(Refusal(o.Code, o.Cause, o.Recovery, o.Fields))
	}
	fmt.Fprintf(&b, "  in log entry %d at height %d, %s; journal leaf %d\n", o.Entry, o.Height, Time(o.At), o.Leaf)
	if len(o.Receipts) > 0 {
		leaves := make([]string, 0, len(o.Receipts))
		for _, leaf := range o.Receipts {
			leaves = append(leaves, fmt.Sprint(uint64(leaf)))
		}
		fmt.Fprintf(&b, "  receipts at %s (tallyvault receipt get)\n", strings.Join(leaves, ", "))
	}
	if o.Final {
		b.WriteString("  final: under a checkpoint that the committee cosigned\n")
	} else {
		b.WriteString("  committed, not final yet: no cosigned checkpoint covers it so far\n")
	}
	fmt.Fprintf(&b, "  identity %s\n", o.ID)
	return b.String()
}

// Refusal says a "no" with its reason and what to do now.
func Refusal(code, cause, recovery string, fields map[string]string) string {
	text := fmt.Sprintf("refused: %s: %s\n", code, cause)
	if len(fields) > 0 {
		text += "  " + facts(fields) + "\n"
	}
	return text + "  " + recovery + "\n"
}

// facts lists named values in order of name.
func facts(fields map[string]string) string {
	var said []string
	for name, value := range fields {
		said = append(said, name+" "+value)
	}
	slices.Sort(said)
	return strings.Join(said, ", ")
}
