package agent

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Warnings name what a valid policy has that cannot be meant.
func (p Policy) Warnings() []string {
	var out []string
	all := map[string]int{} // markets of which a rule takes every meter, and that rule
	patterns := map[[2]string]int{}
	used := map[string]bool{}
	for i, r := range p.Rules {
		number := i + 1
		this := [2]string{r.Market, r.Meter}
		switch {
		case all[r.Market] > 0:
			out = append(out, fmt.Sprintf("rule %d never decides: rule %d before it takes every meter of market %s", number, all[r.Market], r.Market))
		case patterns[this] > 0:
			out = append(out, fmt.Sprintf("rule %d never decides: rule %d before it has the same meters", number, patterns[this]))
		case r.limitless():
			out = append(out, fmt.Sprintf("rule %d has no limit but that registers do not fall: it accepts everything else", number))
		}
		if r.Meter == "*" && all[r.Market] == 0 {
			all[r.Market] = number
		}
		if patterns[this] == 0 {
			patterns[this] = number
		}
		if r.Reference != nil {
			used[r.Reference.Series] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.References)) {
		if !used[name] {
			out = append(out, fmt.Sprintf("no rule compares with reference %s", name))
		}
	}
	return out
}

// limitless says whether a rule sets nothing that could be exceeded.
func (r Rule) limitless() bool {
	bare := Rule{Comment: r.Comment, Market: r.Market, Meter: r.Meter, AllowDecrease: r.AllowDecrease, Site: r.Site}
	return reflect.DeepEqual(r, bare)
}
