package board

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/transport/api"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// Story is all that a page is made from.
type Story struct {
	Cluster string // its name, for people
	ID      string // of the cluster, hex
	// Node is the URL under which proofs are.
	Node         string
	Status       string   // the sentence that says what it waits for
	Chain        []string // one sentence for each disbursement that it waits for
	Disbursement api.OneDisbursement
	Timeline     api.Timeline
	Made         time.Time
}

// shown is what the template sees.
type shown struct {
	Story
	Amount string
	Made   string
	Facts  []fact
	Houses []house
	Steps  []step
}

type fact struct{ Name, Value string }

type house struct {
	api.HouseTally
	Share, Needed string // widths in percent
}

type step struct {
	Time, Title string
	Lines       []string
	Leaf        uint64
	Final       bool
	Proof       string
	Receipt     string
}

// Write draws the page.
func Write(out io.Writer, s Story) error {
	d := s.Disbursement
	v := shown{
		Story: s, Amount: words.Grouped(d.Amount) + " " + d.Asset, Made: words.Time(s.Made.UnixMilli()), Facts: facts(d.Disbursement),
	}
	for _, t := range d.Tallies {
		v.Houses = append(v.Houses, house{t, percent(uint64(t.Approve), uint64(t.Weight)), percent(uint64(t.Required), uint64(t.Weight))})
	}
	for _, e := range s.Timeline.Events {
		next, err := stepOf(e, s.Node)
		if err != nil {
			return err
		}
		v.Steps = append(v.Steps, next)
	}
	if err := page.Execute(out, v); err != nil {
		return fmt.Errorf("drawing the page: %w", err)
	}
	return nil
}

// percent is a share for a bar; a house without weight has none.
func percent(part, whole uint64) string {
	if whole == 0 {
		return "0"
	}
	return fmt.Sprintf("%.1f", 100*float64(part)/float64(whole))
}

// facts are the body's matters that are there, one line each.
func facts(d api.Disbursement) []fact {
	all := []fact{
		{"To", d.Destination},
		{"Paid outside to", d.Payee},
		{"Proposed by", d.Proposer},
		{"Summary", d.Summary},
		{"Memo", d.Memo},
		{"Only after", strings.Join(d.Deps, "\n")},
		{"Content that was voted about", d.Content},
	}
	for _, r := range d.ExpectedReceipts {
		all = append(all, fact{"Expected receipt", words.Grouped(r.Amount) + " for " + r.Account})
	}
	if d.ScheduledEpoch > 0 {
		all = append(all, fact{"Not before epoch", fmt.Sprint(uint64(d.ScheduledEpoch))})
	}
	if t := d.Terms; t != nil {
		all = append(all, fact{"Windows", fmt.Sprintf("vote %s, timelock %s, rollback %s", words.Plural(uint64(t.VoteWindowEpochs), "epoch"),
			words.Plural(uint64(t.TimelockEpochs), "epoch"), words.Plural(uint64(t.RollbackWindowEpochs), "epoch"))})
	}
	if f := d.Failure; f != nil {
		all = append(all, fact{"Error", fmt.Sprintf("%s (%s), %s since %s; %s must act: %s", f.Code, f.Detail,
			words.Plural(uint64(f.Attempts), "attempt"), words.Time(f.First), f.Who, f.Recovery)})
	}
	var there []fact
	for _, f := range all {
		if f.Value != "" {
			there = append(there, f)
		}
	}
	return there
}
