package doctor

import "fmt"

// State is how a finding is to be taken.
type State string

// The states, from good to bad.
const (
	OK   State = "ok"
	Warn State = "warn"
	Fail State = "fail"
)

// Finding is what one check saw.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Seen  string `json:"seen"`
	Do    string `json:"do,omitempty"`
}

// Report is everything that was found, in the order of the checks.
type Report struct {
	Node     string    `json:"node,omitempty"`
	Running  bool      `json:"running"` // it answers at its API address
	Findings []Finding `json:"findings"`
}

// Worst is the worst state in the report.
func (r *Report) Worst() State {
	worst := OK
	for _, f := range r.Findings {
		if f.State == Fail || f.State == Warn && worst == OK {
			worst = f.State
		}
	}
	return worst
}

// Count says how many findings have a state.
func (r *Report) Count(s State) (n int) {
	for _, f := range r.Findings {
		if f.State == s {
			n++
		}
	}
	return n
}

func (r *Report) ok(check, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Check: check, State: OK, Seen: fmt.Sprintf(format, args...)})
}

func (r *Report) bad(s State, check, do, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Check: check, State: s, Seen: fmt.Sprintf(format, args...), Do: do})
}
