package logstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	markHeader = "tallyvault-raft-log-mark 1"
	// slotSize is the room for a mark; settings that do not fit in are refused.
	slotSize = 4096
)

// A mark is what bolt's file must hold at least. It is a text, so that an operator
// can read it.
type mark struct {
	store    digest // random, made with the store
	number   uint64 // of this mark; the valid mark with the largest counts
	sets     uint64 // writes of settings so far
	settings map[string]setting
	// logs is where the log stands; while a deletion is under way there are two, one
	// before and one after it.
	logs []position
}

// pristine says that nothing was ever promised under this mark.
func (m mark) pristine() bool {
	return m.sets == 0 && len(m.settings) == 0 && len(m.logs) == 1 && m.logs[0] == position{base: start(m.store), tip: start(m.store)}
}

// format writes one line for each fact and, at the end, the digest of all before.
func (m mark) format() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nstore %s\nnumber %d\nsets %d\n", markHeader, m.store, m.number, m.sets)
	for _, p := range m.logs {
		fmt.Fprintf(&b, "log %d first %d after %s last %d with %s\n", p.generation, p.first, p.base, p.last, p.tip)
	}
	for _, key := range slices.Sorted(maps.Keys(m.settings)) {
		s := m.settings[key]
		fmt.Fprintf(&b, "set %d %x to %q\n", s.set, s.value, key)
	}
	sum := sha256.Sum256([]byte(b.String()))
	fmt.Fprintf(&b, "sum %x\n", sum)
	return []byte(b.String())
}

// slot fills a slot of the mark's file.
func (m mark) slot() ([]byte, error) {
	text := m.format()
	if len(text) > slotSize {
		return nil, fmt.Errorf("raft's settings need a mark of %d bytes, the limit is %d", len(text), slotSize)
	}
	return append(text, make([]byte, slotSize-len(text))...), nil
}

// fits refuses settings that would leave no room for the numbers to grow.
func (m mark) fits() error {
	widest := position{generation: math.MaxUint64, first: math.MaxUint64, last: math.MaxUint64}
	m.number, m.sets, m.logs = math.MaxUint64, math.MaxUint64, []position{widest, widest}
	_, err := m.slot()
	return err
}

// parseMark accepts exactly what slot makes.
func parseMark(slot []byte) (mark, error) {
	text := strings.TrimRight(string(slot), "\x00")
	at := strings.LastIndex(text, "sum ")
	if at < 0 {
		return mark{}, errors.New("the checksum is missing")
	}
	sum := sha256.Sum256([]byte(text[:at]))
	if text[at:] != "sum "+hex.EncodeToString(sum[:])+"\n" {
		return mark{}, errors.New("the checksum is wrong")
	}
	m := mark{settings: make(map[string]setting)}
	lines := strings.Split(strings.TrimSuffix(text[:at], "\n"), "\n")
	if len(lines) < 5 || lines[0] != markHeader {
		return mark{}, errors.New("it is not a mark of this version")
	}
	for _, line := range lines[1:] {
		if err := m.parseLine(line); err != nil {
			return mark{}, fmt.Errorf("line %q: %w", line, err)
		}
	}
	if again, err := m.slot(); err != nil || string(again) != string(slot) {
		return mark{}, errors.New("it is not in canonical form")
	}
	return m, nil
}

func (m *mark) parseLine(line string) (err error) {
	kind, rest, _ := strings.Cut(line, " ")
	switch kind {
	case "store":
		m.store, err = parseDigest(rest)
	case "number":
		m.number, err = strconv.ParseUint(rest, 10, 64)
	case "sets":
		m.sets, err = strconv.ParseUint(rest, 10, 64)
	case "log":
		err = m.parseLog(rest)
	case "set":
		err = m.parseSetting(rest)
	default:
		err = errors.New("unknown")
	}
	return err
}

func (m *mark) parseLog(rest string) error {
	var p position
	var base, tip string
	_, err := fmt.Sscanf(rest, "%d first %d after %s last %d with %s", &p.generation, &p.first, &base, &p.last, &tip)
	if err != nil {
		return err
	}
	var errs [2]error
	p.base, errs[0] = parseDigest(base)
	p.tip, errs[1] = parseDigest(tip)
	m.logs = append(m.logs, p)
	return errors.Join(errs[:]...)
}

func (m *mark) parseSetting(rest string) error {
	// The key comes last, because it may hold any byte, quoted.
	fields := strings.SplitN(rest, " ", 4)
	if len(fields) != 4 {
		return errors.New("words are missing")
	}
	set, err1 := strconv.ParseUint(fields[0], 10, 64)
	value, err2 := hex.DecodeString(fields[1])
	key, err3 := strconv.Unquote(fields[3])
	m.settings[key] = setting{value, set}
	return errors.Join(err1, err2, err3)
}

func parseDigest(s string) (digest, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(digest{}) {
		return digest{}, errors.New("a digest is malformed")
	}
	return digest(b), nil
}
