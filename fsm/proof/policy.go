package proof

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// committee is the name of the one group that a policy of ours has.
const committee = "committee"

// MaxWitnesses bounds a policy; a committee has at most seven nodes.
const MaxWitnesses = 32

// maxPolicySize bounds what ParsePolicy looks at.
const maxPolicySize = 64 << 10

// A Policy says whose signatures make a checkpoint count: the log's, and those
// of at least K witnesses.
type Policy struct {
	Origin    string
	LogKey    [32]byte
	Witnesses []Witness
	K         int
}

// A Witness is a node in its role as a cosigner. Name is the short one that the
// policy and error messages use, KeyName stands in signature lines.
type Witness struct {
	Name    string
	KeyName string
	Key     [32]byte
	URL     string
}

// Validate reports why a policy could not be written so that ParsePolicy accepts
// it. A key that two witnesses share would be counted twice, so it is refused.
func (p Policy) Validate() error {
	if err := checkName(p.Origin); err != nil {
		return fmt.Errorf("policy: origin: %w", err)
	}
	if len(p.Witnesses) == 0 || len(p.Witnesses) > MaxWitnesses {
		return fmt.Errorf("policy: %d witnesses, want 1 to %d", len(p.Witnesses), MaxWitnesses)
	}
	if p.K < 1 || p.K > len(p.Witnesses) {
		return fmt.Errorf("policy: threshold %d of %d witnesses", p.K, len(p.Witnesses))
	}
	for i, w := range p.Witnesses {
		if err := w.validate(); err != nil {
			return fmt.Errorf("policy: witness %q: %w", w.Name, err)
		}
		for _, other := range p.Witnesses[:i] {
			if err := w.distinct(other); err != nil {
				return fmt.Errorf("policy: witness %q: %w", w.Name, err)
			}
		}
	}
	return nil
}

func (w Witness) validate() error {
	if err := checkName(w.Name); err != nil {
		return err
	}
	// "none" is a keyword where a quorum is named, and the group has its name.
	if w.Name == "none" || w.Name == committee {
		return errors.New("the name is a reserved word")
	}
	if err := checkName(w.KeyName); err != nil {
		return fmt.Errorf("key %w", err)
	}
	if !strings.HasPrefix(w.URL, "https://") && !strings.HasPrefix(w.URL, "http://") {
		return fmt.Errorf("URL %q does not begin with https:// or http://", clip(w.URL))
	}
	for _, c := range []byte(w.URL) {
		if c <= ' ' || c > '~' || c == '#' {
			return fmt.Errorf("URL %q has a character that is not allowed", clip(w.URL))
		}
	}
	return nil
}

func (w Witness) distinct(other Witness) error {
	switch {
	case w.Name == other.Name:
		return errors.New("the name is taken")
	case w.KeyName == other.KeyName:
		return fmt.Errorf("the key name is %q's too", other.Name)
	case w.Key == other.Key:
		return fmt.Errorf("the key is %q's too", other.Name)
	}
	return nil
}

// Format writes a valid policy as text; see Validate.
func (p Policy) Format() []byte {
	return []byte(fmt.Sprintf("# A checkpoint counts when the log and %d of these %d witnesses have signed it.\n",
		p.K, len(p.Witnesses)) + strings.Join(p.lines(), "\n") + "\n")
}

// lines is the policy without comments. Parsing is comparing with it.
func (p Policy) lines() []string {
	lines := []string{"log " + LogVKey(p.Origin, p.LogKey)}
	group := "group " + committee + " " + strconv.Itoa(p.K)
	for _, w := range p.Witnesses {
		lines = append(lines, "witness "+w.Name+" "+CosignerVKey(w.KeyName, w.Key)+" "+w.URL)
		group += " " + w.Name
	}
	return append(lines, group, "quorum "+committee)
}

// ParsePolicy reads what Format writes. Comment lines may stand before the log
// line, in any number; nothing else may differ. Errors name the line.
func ParsePolicy(text []byte) (Policy, error) {
	if len(text) > maxPolicySize {
		return Policy{}, fmt.Errorf("policy: %d bytes, want at most %d", len(text), maxPolicySize)
	}
	body, ok := strings.CutSuffix(string(text), "\n")
	if !ok {
		return Policy{}, errors.New("policy: the last line has no newline")
	}
	lines := strings.Split(body, "\n")
	comments := 0
	for comments < len(lines) && strings.HasPrefix(lines[comments], "#") {
		comments++
	}
	lines = lines[comments:]
	p, err := readPolicy(lines, comments)
	if err != nil {
		return Policy{}, err
	}
	if err := p.Validate(); err != nil {
		return Policy{}, err
	}
	// Every line that was understood must also be the one that Format writes.
	want := p.lines()
	for i, line := range lines {
		if i >= len(want) || line != want[i] {
			return Policy{}, fmt.Errorf("policy: line %d: %q is not what this policy has there", comments+i+1, clip(line))
		}
	}
	if len(lines) < len(want) {
		return Policy{}, fmt.Errorf("policy: line %d is missing, want %q", comments+len(lines)+1, clip(want[len(lines)]))
	}
	return p, nil
}

// readPolicy takes the values out of the lines. It checks what it needs for
// that; the comparison in ParsePolicy does the rest.
func readPolicy(lines []string, comments int) (Policy, error) {
	var p Policy
	for i, line := range lines {
		if err := p.readLine(i, strings.Split(line, " ")); err != nil {
			return Policy{}, fmt.Errorf("policy: line %d: %w", comments+i+1, err)
		}
	}
	return p, nil
}

func (p *Policy) readLine(i int, fields []string) (err error) {
	switch keyword := fields[0]; {
	case keyword == "log" && i == 0 && len(fields) == 2:
		p.Origin, p.LogKey, err = parseVKey(fields[1], algEd25519)
		return err
	case keyword == "witness" && len(fields) == 4 && len(p.Witnesses) < MaxWitnesses:
		w := Witness{Name: fields[1], URL: fields[3]}
		w.KeyName, w.Key, err = parseVKey(fields[2], algCosignatureV1)
		p.Witnesses = append(p.Witnesses, w)
		return err
	case keyword == "group" && len(fields) > 3 && p.K == 0:
		p.K, err = strconv.Atoi(fields[2])
		if err != nil || p.K < 1 {
			return fmt.Errorf("%q is not a threshold", clip(fields[2]))
		}
		return nil
	case keyword == "quorum" && len(fields) == 2:
		return nil
	}
	return fmt.Errorf("unexpected %q", clip(strings.Join(fields, " ")))
}
