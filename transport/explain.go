package transport

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/transport/api"
)

// An explainer says of one kind of object what it waits for. A new kind is a row of
// explainers and a function.
type explainer func(d *Door, s state, name string) (api.Explanation, error)

var explainers = map[string]explainer{
	api.KindCommand:    (*Door).explainCommand,
	api.KindReading:    (*Door).explainReading,
	api.KindTally:      (*Door).explainTally,
	api.KindSettlement: (*Door).explainSettlement,
	api.KindMeter:      (*Door).explainMeter,
	api.KindProvider:   (*Door).explainProvider,

	api.KindDisbursement: (*Door).explainDisbursement,
}

const explainPath = "/v1/explain/{id...}"

func (d *Door) explainRoutes() {
	read(d, huma.Operation{
		OperationID: "explain", Path: explainPath, Tags: []string{"explain"},
		Summary: "What an object is, what it waits for and who can act",
		Description: "The id is the identity of a command; KIND/NAME, such as settlement/energy/3, tally/energy/17, meter/roof-1, provider/sunny or disbursement/ID; " +
			"MARKET/NUMBER for a reading; or the bare name of a meter or provider. A slash in it may be percent-encoded.",
	}, d.explainObject)
	// The router's mark for many segments is no part of the documented path.
	paths := d.api.OpenAPI().Paths
	paths[strings.ReplaceAll(explainPath, "...", "")] = paths[explainPath]
	delete(paths, explainPath)
}

// explainInput names an object.
type explainInput struct {
	Freshness
	Credentials
	ID string `path:"id" maxLength:"160" doc:"what to explain" example:"settlement/energy/3"`
}

func (d *Door) explainObject(s state, _ Reader, in *explainInput) (api.Explanation, error) {
	kind, name, err := objectNamed(s, in.ID)
	if err != nil {
		return api.Explanation{}, err
	}
	out, err := explainers[kind](d, s, name)
	if err != nil {
		return out, err
	}
	out.Object, out.Kind, out.Index = kind+"/"+name, kind, api.Uint64(s.Number())
	out.Height, out.Now = api.Uint64(s.Height()), s.Now()
	out.Sentence += "."
	if out.Related == nil {
		out.Related = []string{}
	}
	if out.Waits == nil {
		out.Waits = []api.Wait{}
	}
	out.Final = s.settled() && !slices.ContainsFunc(out.Waits, func(w api.Wait) bool { return w.For == api.WaitFinality })
	node := d.config.Node.Status()
	if out.Alarms = append(slices.Clone(node.Alarms), node.LocalAlarms...); len(out.Alarms) > 0 {
		out.Runbook = alarmsRunbook
	}
	return out, nil
}

const (
	alarmsRunbook   = "runbooks/alarms.md"
	finalityRunbook = "runbooks/not-final.md"
)

var (
	identityShape = regexp.MustCompile(`^[0-9a-f]{64}$`)
	numberedShape = regexp.MustCompile(`^[a-z][a-z0-9._-]*/[1-9][0-9]*$`)
)

// objectNamed finds out what an id means. A reading is meant where a number of a
// market is given without a kind, since readings are what people ask about.
func objectNamed(s state, id string) (kind, name string, err error) {
	if identityShape.MatchString(id) {
		return api.KindCommand, id, nil
	}
	kind, name, hasKind := strings.Cut(id, "/")
	_, isMarket := s.Oracle().Market(kind)
	if numberedShape.MatchString(id) && (isMarket || explainers[kind] == nil) {
		return api.KindReading, id, nil
	}
	if hasKind {
		if explainers[kind] == nil {
			return "", "", malformed("id", fmt.Errorf("there is no kind %q of object: want one of %s", kind, strings.Join(kinds(), ", ")))
		}
		return kind, name, nil
	}
	_, isMeter := s.Oracle().Meter(id)
	_, isProvider := s.Oracle().Provider(id)
	switch {
	case isMeter && isProvider:
		return "", "", malformed("id", fmt.Errorf("%s is a meter and a provider: say meter/%s or provider/%s", id, id, id))
	case isMeter:
		return api.KindMeter, id, nil
	case isProvider:
		return api.KindProvider, id, nil
	}
	return "", "", missing("object", id)
}

func kinds() []string {
	var list []string
	for kind := range explainers {
		list = append(list, kind)
	}
	slices.Sort(list)
	return list
}

// numberedName takes MARKET/NUMBER apart.
func numberedName(s state, name string) (market string, number uint64, err error) {
	market, digits, _ := strings.Cut(name, "/")
	if !numberedShape.MatchString(name) {
		return "", 0, malformed("id", errors.New("want MARKET/NUMBER, such as energy/17"))
	}
	if _, known := s.Oracle().Market(market); !known {
		return "", 0, missing(oracle.KindMarket, market)
	}
	in := numberedInput{Number: digits}
	return market, in.number(), nil
}

// until says when a wait ends by itself.
func (s state) until(w api.Wait, height uint64, then string) api.Wait {
	left := height - min(height, s.Height())
	until, blocks, about := api.Uint64(height), api.Uint64(left), s.blocksMs(left)
	w.Until, w.Blocks, w.AboutMs, w.Then = &until, &blocks, &about, then
	return w
}

// blocksMs is how long so many heights take while the cluster runs.
func (s state) blocksMs(blocks uint64) int64 {
	return int64(blocks) * int64(s.Genesis().BlockMs)
}

// inBlocks says how far away a height is.
func (s state) inBlocks(height uint64) string {
	left := height - min(height, s.Height())
	return fmt.Sprintf("in %s, about %s", several(left, "block"), span(time.Duration(s.blocksMs(left))*time.Millisecond))
}

// span is a length of time in its largest unit.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return several(uint64((d+12*time.Hour)/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d h", (d+30*time.Minute)/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d min", (d+30*time.Second)/time.Minute)
	}
	return fmt.Sprintf("%d s", (d+time.Second/2)/time.Second)
}

func several(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return group(decimal(n)) + " " + one + "s"
}

// group sets a comma every three digits.
func group(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// finality is the wait for a checkpoint over the leaf, if there is none yet.
func (d *Door) finality(s state, leaf uint64) (api.Wait, bool) {
	if leaf < s.finalSize {
		return api.Wait{}, false
	}
	var who []string
	active := 0
	for _, m := range s.Members() {
		if m.Standing() == fsm.Active {
			who, active = append(who, "node/"+m.Name), active+1
		}
	}
	w := api.Wait{
		For: api.WaitFinality, Who: who, Do: "cosign a checkpoint that covers it", Unit: "leaves",
		Need: decimal(leaf + 1), Have: decimal(s.finalSize), Short: decimal(leaf + 1 - s.finalSize),
		Sentence: fmt.Sprintf("the proof of leaf %d waits for a checkpoint that %d of %d nodes cosign; the newest covers %s leaves",
			leaf, s.K(), active, group(decimal(s.finalSize))),
	}
	if len(s.Alarms()) > 0 {
		w.Sentence += fmt.Sprintf("; nobody cosigns while alarm %s stands, see %s", strings.Join(s.Alarms(), ", "), alarmsRunbook)
	}
	return w, true
}

// awaitFinality adds that wait to an explanation.
func (d *Door) awaitFinality(s state, out *api.Explanation, leaf uint64) {
	w, waits := d.finality(s, leaf)
	if !waits {
		out.Sentence += "; final"
		return
	}
	out.Waits = append(out.Waits, w)
	out.Sentence += "; " + w.Sentence
	out.Runbook = finalityRunbook
}
