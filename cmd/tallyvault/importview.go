package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/intake"
	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
)

// namedSeries is a meter of the file with its id in the cluster.
type namedSeries struct {
	id     string
	series intervals.Series
	// What the cluster says: how many decimals the register has, and why nothing can
	// be sent.
	decimals uint8
	wrong    string
}

// chosen are the meters of the file that --meter names, or all.
func chosen(c *cli.Context, file intervals.File) ([]namedSeries, error) {
	wanted := c.StringSlice("meter")
	var list []namedSeries
	if len(wanted) == 0 {
		for _, s := range file.Series {
			list = append(list, namedSeries{id: s.ID, series: s})
		}
		return list, nil
	}
	taken := map[string]bool{}
	for _, text := range wanted {
		name, id, given := strings.Cut(text, "=")
		found := false
		for _, s := range file.Series {
			if s.Name != name && s.ID != name {
				continue
			}
			if !given {
				id = s.ID
			}
			if taken[id] {
				return nil, usage("--meter names the id %s twice", id)
			}
			taken[id], found = true, true
			list = append(list, namedSeries{id: id, series: s})
			break
		}
		if !found {
			return nil, usage("--meter %s: the file has no such meter; --dry-run shows those it has", text)
		}
	}
	return list, nil
}

// imported is what is told of a file and of what the cluster has of it.
type imported struct {
	From    int64           `json:"from"`
	To      int64           `json:"to"`
	Seconds float64         `json:"interval_seconds"`
	Values  int             `json:"values"`
	Missing int             `json:"missing"`
	Refused int             `json:"rows_refused"`
	Rows    []refusedRow    `json:"rows,omitempty"`
	Ignored []ignoredValues `json:"not_energy,omitempty"`
	Meters  []importedMeter `json:"meters"`
	asked   bool
	sent    *importResult
}

type refusedRow struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line"`
	Meter  string `json:"meter,omitempty"`
	Reason string `json:"reason"`
}

type ignoredValues struct {
	Channel string `json:"channel"`
	Why     string `json:"why"`
	Values  int    `json:"values"`
}

// importedMeter is one meter, with what a plan says of it once the cluster was asked.
type importedMeter struct {
	Meter     string         `json:"meter"`
	Name      string         `json:"name"`
	Direction string         `json:"direction,omitempty"`
	Values    int            `json:"values"`
	From      int64          `json:"from"`
	To        int64          `json:"to"`
	KWh       string         `json:"kwh"`
	PeakW     uint64         `json:"peak_w"`
	Gaps      int            `json:"gaps"`
	Missing   float64        `json:"missing_seconds"`
	GapList   []gap          `json:"gap_list,omitempty"`
	Qualities map[string]int `json:"qualities,omitempty"`

	Wrong  string       `json:"wrong,omitempty"`
	Mark   *intake.Mark `json:"mark,omitempty"`
	ToSend *int         `json:"to_send,omitempty"`
	There  int          `json:"there,omitempty"`
	TooOld int          `json:"too_old,omitempty"`
	Future int          `json:"future,omitempty"`
	Torn   *gap         `json:"torn,omitempty"`

	decimals uint8
}

type gap struct {
	From int64 `json:"from"`
	To   int64 `json:"to"`
}

// importResult is what became of the readings.
type importResult struct {
	Accepted int              `json:"accepted"`
	There    int              `json:"there"`
	Refused  int              `json:"refused"`
	Refusals []intake.Refusal `json:"refusals,omitempty"`
	Unsent   []intake.Unsent  `json:"unsent,omitempty"`
	Final    bool             `json:"final"`
}

// newImported tells of the named meters; plans are nil while nobody was asked.
func newImported(file intervals.File, named []namedSeries, plans map[string]intake.Plan) imported {
	s := file.Summary
	out := imported{
		Seconds: s.Interval.Seconds(), Missing: s.Empty, Refused: s.Skipped, Meters: []importedMeter{}, asked: plans != nil,
	}
	for _, e := range s.Errors {
		out.Rows = append(out.Rows, refusedRow{File: e.File, Line: e.Line, Meter: e.Meter, Reason: e.Reason.Error()})
	}
	for _, i := range s.Ignored {
		out.Ignored = append(out.Ignored, ignoredValues{Channel: i.Name, Why: i.Why, Values: i.Values})
	}
	told := map[string]intervals.Meter{}
	for _, m := range s.Meters {
		told[m.ID] = m
	}
	for _, n := range named {
		m := meterOf(n, told[n.series.ID])
		if plan, ok := plans[n.id]; ok {
			m.planned(plan)
		}
		if len(out.Meters) == 0 || m.From < out.From {
			out.From = m.From
		}
		out.To = max(out.To, m.To)
		out.Values += m.Values
		out.Meters = append(out.Meters, m)
	}
	return out
}

func meterOf(n namedSeries, m intervals.Meter) importedMeter {
	out := importedMeter{
		Meter: n.id, Name: m.Name, Direction: string(m.Direction), Values: m.Rows, From: m.From, To: m.To, KWh: m.KWh,
		PeakW: m.PeakW, Gaps: m.GapCount, Missing: m.Missing.Seconds(), Qualities: m.Qualities, Wrong: n.wrong, decimals: n.decimals,
	}
	for _, g := range m.Gaps {
		out.GapList = append(out.GapList, gap(g))
	}
	return out
}

func (m *importedMeter) planned(p intake.Plan) {
	n := len(p.Readings)
	m.Mark, m.ToSend, m.There, m.TooOld, m.Future = p.Mark, &n, p.Covered, p.TooOld, p.Future
	if p.Torn != nil {
		g := gap(*p.Torn)
		m.Torn = &g
	}
}

// toSend counts the readings of all plans.
func (i imported) toSend() int {
	n := 0
	for _, m := range i.Meters {
		if m.ToSend != nil {
			n += *m.ToSend
		}
	}
	return n
}

// wrong are the meters of which nothing can be sent, or not all.
func (i imported) wrong() []string {
	var list []string
	for _, m := range i.Meters {
		if m.Wrong != "" {
			list = append(list, m.Wrong)
		}
		if m.Future > 0 {
			list = append(list, fmt.Sprintf("meter %s: %d intervals end in the future and are not sent; is the zone right?", m.Meter, m.Future))
		}
		if m.TooOld > 0 && m.Mark == nil {
			list = append(list, fmt.Sprintf("meter %s: %d intervals are older than the market takes and are not counted", m.Meter, m.TooOld))
		}
		if m.Torn != nil {
			list = append(list, fmt.Sprintf("meter %s: the interval %s to %s began before the meter's newest reading in the cluster and is left out",
				m.Meter, words.Time(m.Torn.From), words.Time(m.Torn.To)))
		}
	}
	return list
}

// showPlan is the whole output of a dry run.
func showPlan(c *cli.Context, i imported) error {
	if c.Bool("json") {
		return printJSON(c, i)
	}
	rows := [][]string{{"meter", "in the file", "flow", "values", "from", "to", "kWh", "gaps", "missing", "quality"}}
	if i.asked {
		rows[0] = append(rows[0], "newest register", "there", "to send")
	}
	for _, m := range i.Meters {
		row := []string{
			m.Meter, m.Name, cmp.Or(m.Direction, "-"), fmt.Sprint(m.Values), words.Time(m.From), words.Time(m.To), m.KWh,
			fmt.Sprint(m.Gaps), missingTime(m.Missing), qualityText(m.Qualities),
		}
		if i.asked {
			mark, toSend := "-", "-"
			if m.Mark != nil {
				mark = words.Register(m.Mark.Register, m.decimals) + " at " + words.Time(m.Mark.MeasuredAt)
			}
			if m.ToSend != nil {
				toSend = fmt.Sprint(*m.ToSend)
			}
			row = append(row, mark, fmt.Sprint(m.There), toSend)
		}
		rows = append(rows, row)
	}
	text := words.Columns(rows) + i.totals()
	for _, m := range i.Meters {
		for _, g := range m.GapList {
			text += fmt.Sprintf("gap: %s has nothing from %s to %s\n", m.Meter, words.Time(g.From), words.Time(g.To))
		}
	}
	for _, w := range i.wrong() {
		text += w + "\n"
	}
	return printf(c, "%s", text)
}

func missingTime(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return words.Span(time.Duration(seconds) * time.Second)
}

// fewQualities fit beside the rest of a meter; --json has all.
const fewQualities = 12

// qualityText lists quality words with how often each comes.
func qualityText(qualities map[string]int) string {
	if len(qualities) == 0 {
		return "-"
	}
	var said []string
	sorted := slices.Sorted(maps.Keys(qualities))
	for _, word := range sorted[:min(len(sorted), fewQualities)] {
		said = append(said, fmt.Sprintf("%s %d", word, qualities[word]))
	}
	if more := len(sorted) - fewQualities; more > 0 {
		said = append(said, fmt.Sprintf("%d more", more))
	}
	return strings.Join(said, ", ")
}

func (i imported) totals() string {
	text := fmt.Sprintf("%d meters, %d values", len(i.Meters), i.Values)
	if i.Missing > 0 {
		text += fmt.Sprintf(", %d missing", i.Missing)
	}
	if i.Refused > 0 {
		text += fmt.Sprintf(", %d rows not used", i.Refused)
	}
	if i.asked {
		text += fmt.Sprintf("; %d readings to send", i.toSend())
	}
	return text + ".\n"
}

// report says what became of everything.
func (i imported) report(c *cli.Context) error {
	if c.Bool("json") {
		return printJSON(c, struct {
			imported
			Sent *importResult `json:"sent"`
		}{i, i.sent})
	}
	r := i.sent
	there := r.There
	for _, m := range i.Meters {
		there += m.There
	}
	text := fmt.Sprintf("%d readings accepted, %d there already, %d refused.\n", r.Accepted, there, r.Refused)
	if r.Final {
		text += "All are under a checkpoint that the committee cosigned.\n"
	}
	for _, refusal := range r.Refusals {
		text += fmt.Sprintf("%d × %s  the first: meter %s, measured %s\n", refusal.Readings,
			words.Refusal(refusal.Code, refusal.Cause, refusal.Recovery, refusal.Fields), refusal.Meter, words.Time(refusal.At))
	}
	for _, u := range r.Unsent {
		text += fmt.Sprintf("%d readings of meter %s are not sent: %s\n", u.Readings, u.Meter, u.Reason)
	}
	for _, w := range i.wrong() {
		text += w + "\n"
	}
	return printf(c, "%s", text)
}
