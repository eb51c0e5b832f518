package transport

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/treasury"
)

const treasuryRunbook = "runbooks/treasury.md"

// explainDisbursement says what a payment of the treasury waits for and who by name
// can act.
func (d *Door) explainDisbursement(s state, name string) (api.Explanation, error) {
	row, err := s.disbursement(name)
	if err != nil {
		return api.Explanation{}, err
	}
	shown := disbursementOf(s, row)
	out := api.Explanation{
		Status: shown.Status, Disbursement: &shown, Related: []string{}, Runbook: treasuryRunbook,
		Sentence: fmt.Sprintf("Disbursement %s, %+q, %s %s to %s, is %s", name[:8], shown.Title, group(shown.Amount), shown.Asset, shown.Destination, shown.Status),
	}
	for _, dep := range shown.Deps {
		out.Related = append(out.Related, api.KindDisbursement+"/"+dep)
	}
	if w := s.Book().Waits(row); w.For != "" {
		wait := disbursementWait(s, row, w)
		out.Waits, out.Sentence = []api.Wait{wait}, out.Sentence+": "+wait.Sentence
	} else {
		out.Sentence += " for good (" + shown.Ending + ")"
	}
	leaves, err := d.config.Node.Refs(fsm.RefDisbursement, name)
	if err != nil {
		return out, err
	}
	if leaves = slices.DeleteFunc(leaves, func(leaf uint64) bool { return leaf >= s.TreeSize() }); len(leaves) > 0 {
		d.awaitFinality(s, &out, leaves[len(leaves)-1])
	}
	return out, nil
}

// disbursementWait says what time or whom a disbursement waits for.
func disbursementWait(s state, d *treasury.Disbursement, w treasury.Wait) api.Wait {
	said := waitOf(s, d, w)
	sentence := strings.TrimSuffix(said.Sentence, ".")
	sentence = strings.ToLower(sentence[:1]) + sentence[1:]
	out := api.Wait{For: w.For, Who: whoCanAct(s, d, w), Sentence: sentence}
	if len(w.On) > 0 {
		out.Object = api.KindDisbursement + "/" + w.On[0].String()
	}
	if w.For == treasury.WaitFunds {
		free := s.Book().Balance().Free
		out.Unit, out.Need, out.Have, out.Short = treasury.Asset, d.Body.Amount.String(), free.String(), "0"
		if free.Cmp(d.Body.Amount) < 0 {
			out.Short = d.Body.Amount.Sub(free).String()
		}
	}
	if now := s.Book().Height(); w.Until > now {
		out = s.until(out, s.Height()+w.Until-now, "time goes on with it")
	}
	return out
}

// whoCanAct names them as role/name.
func whoCanAct(s state, d *treasury.Disbursement, w treasury.Wait) []string {
	named := func(names ...string) []string {
		out := []string{}
		for _, name := range names {
			p, _ := s.Principal(name)
			out = append(out, p.Role+"/"+name)
		}
		return out
	}
	switch {
	case w.For == treasury.WaitVotes:
		return named(s.Book().Missing(d)...)
	case w.Who == "proposer":
		return named(d.Proposer)
	case w.For == treasury.WaitConfirmation:
		return slices.DeleteFunc(adminsOf(s), func(admin string) bool {
			name := strings.TrimPrefix(admin, genesis.RoleAdmin+"/")
			return name == d.Proposer || slices.Contains(d.Confirmed, name)
		})
	case w.Who == "admins":
		return adminsOf(s)
	}
	return []string{}
}
