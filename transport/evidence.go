package transport

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
	"github.com/tallyvault/tallyvault/transport/api"
)

// Media types of evidence.
const (
	plainText = "text/plain; charset=utf-8"
	binary    = "application/octet-stream"
)

// proofSuffix asks for a proof file instead of a description.
const proofSuffix = ".tlog-proof"

func (d *Door) evidenceRoutes() {
	text := func(media string) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	bytes := map[string]*huma.MediaType{binary: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
	leaf := &huma.Param{Name: "leaf", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString, Pattern: "^(0|[1-9][0-9]*)$"}}
	wait := &huma.Param{
		Name: "wait", In: "query", Description: "final: wait up to 30 s for a cosigned checkpoint over the leaf",
		Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"final"}},
	}
	d.raw(huma.Operation{
		OperationID: "receipt", Method: http.MethodGet, Path: "/v1/receipts/{leaf}", Tags: []string{"evidence"}, Security: some,
		Summary:    "What a journal leaf says and whether it can be proven",
		Parameters: []*huma.Param{leaf, wait}, Responses: d.responses(http.StatusOK, "the receipt", d.content("application/json", api.OneReceipt{})),
	}, d.receipt)
	// The router has no patterns with a suffix: the route above serves this too.
	d.api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "receipt-proof", Method: http.MethodGet, Path: "/v1/receipts/{leaf}" + proofSuffix, Tags: []string{"evidence"}, Security: some,
		Summary:     "The proof file of a journal leaf (C2SP tlog-proof)",
		Description: "Public for receipts. A leaf that holds a command takes a token.",
		Parameters:  []*huma.Param{leaf, wait}, Responses: d.responses(http.StatusOK, "the proof", text(plainText)),
	})
	d.raw(huma.Operation{
		OperationID: "checkpoint", Method: http.MethodGet, Path: "/checkpoint", Tags: []string{"evidence"},
		Summary: "The newest checkpoint that the committee cosigned (C2SP signed note)", Responses: d.responses(http.StatusOK, "the note", text(plainText)),
	}, d.checkpoint)
	d.raw(huma.Operation{
		OperationID: "tile", Method: http.MethodGet, Path: "/tile/{tile...}", Tags: []string{"evidence"}, Security: some,
		Summary:     "Tiles of the journal (C2SP tlog-tiles)",
		Description: "<level>/<number>[.p/<width>] are hashes and public; entries/<number>[.p/<width>] are leaves and take a token.",
		Parameters:  []*huma.Param{{Name: "tile", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}},
		Responses:   d.responses(http.StatusOK, "the tile", bytes),
	}, d.tile)
	d.raw(huma.Operation{
		OperationID: "policy", Method: http.MethodGet, Path: "/v1/policy", Tags: []string{"evidence"},
		Summary:    "The chain of policies by which checkpoints are judged, from genesis on; or, as text, the one that judges /checkpoint",
		Parameters: []*huma.Param{{Name: "format", In: "query", Schema: &huma.Schema{Type: huma.TypeString, Enum: []any{"json", "text"}}}},
		Responses:  d.responses(http.StatusOK, "the chain", map[string]*huma.MediaType{"application/json": d.content("application/json", api.PolicyChain{})["application/json"], plainText: {Schema: &huma.Schema{Type: huma.TypeString}}}),
	}, d.policy)
	d.raw(huma.Operation{
		OperationID: "genesis", Method: http.MethodGet, Path: "/v1/genesis", Tags: []string{"evidence"},
		Summary: "The genesis file", Responses: d.responses(http.StatusOK, "the signed envelope", d.content("application/json", api.Envelope{})),
	}, d.genesis)
}

// receipt serves a leaf: receipts to everybody, commands to readers.
func (d *Door) receipt(w http.ResponseWriter, r *http.Request) error {
	query, err := onlyQuery(r, "wait")
	if err != nil {
		return err
	}
	name, proof := strings.CutSuffix(r.PathValue("leaf"), proofSuffix)
	leaf, err := strconv.ParseUint(name, 10, 64)
	if err != nil || decimal(leaf) != name {
		return malformed("leaf", errors.New("a leaf's number is a decimal"))
	}
	text, err := d.leafFor(w, r, leaf)
	if err != nil {
		return err
	}
	d.untilFinal(r.Context(), leaf, query["wait"] == "final")
	if proof {
		return d.proof(w, leaf)
	}
	s := d.now()
	out := api.OneReceipt{
		Receipt:    api.Receipt{Leaf: api.Uint64(leaf), Kind: kindOf(text), Final: leaf < s.finalSize},
		Index:      api.Uint64(s.Number()),
		Checkpoint: api.Uint64(s.finalSize),
	}
	if text[0] == fsm.LeafReceipt {
		out.Body = json.RawMessage(text)
	}
	if out.Final {
		out.Proof = "/v1/receipts/" + name + proofSuffix
	}
	w.Header().Set("Tallyvault-Index", decimal(s.Number()))
	return writeJSON(w, out)
}

// leafFor reads a leaf and, if it is no receipt, demands a reader.
func (d *Door) leafFor(w http.ResponseWriter, r *http.Request, leaf uint64) ([]byte, error) {
	text, err := d.config.Node.Leaf(leaf)
	if err != nil {
		return nil, err
	}
	if len(text) > 0 && text[0] == fsm.LeafReceipt {
		return text, nil
	}
	reader, err := d.readerOfRequest(r)
	if err != nil {
		return nil, err
	}
	return entryLeaf(reader, text), nil
}

// entryLeaf hands out a leaf that may hold personal data: it takes a Reader.
func entryLeaf(_ Reader, text []byte) []byte { return text }

func (d *Door) readerOfRequest(r *http.Request) (Reader, error) {
	return d.reader(&Credentials{Authorization: r.Header.Get("Authorization"), address: addressOf(r.RemoteAddr)})
}

// untilFinal waits for a checkpoint over the leaf, if that is wanted.
func (d *Door) untilFinal(ctx context.Context, leaf uint64, wanted bool) {
	wait := d.waiting(wanted)
	for d.config.Node.FinalSize() <= leaf && wait.more(ctx) {
		wait.final(ctx, leaf+1)
	}
}

func (d *Door) proof(w http.ResponseWriter, leaf uint64) error {
	receipt, err := d.config.Node.Receipt(leaf)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", plainText)
	_, _ = w.Write(receipt.File) // the caller may be gone
	return nil
}

// Kinds of leaves that are no receipts, as the API names them.
const (
	kindEntry       = "entry"
	kindCommand     = "command"
	kindUndecodable = "undecodable"
)

func kindOf(leaf []byte) string {
	switch {
	case len(leaf) == 0:
		return ""
	case leaf[0] == fsm.LeafHeader:
		return kindEntry
	case leaf[0] == fsm.LeafCommand:
		return kindCommand
	case leaf[0] == fsm.LeafUndecodable:
		return kindUndecodable
	}
	kind, _, err := fsm.ParseReceipt(leaf)
	if err != nil {
		return ""
	}
	return kind
}

func (d *Door) checkpoint(w http.ResponseWriter, _ *http.Request) error {
	note := d.config.Node.Checkpoint()
	if note == nil {
		return problem(fsm.NotFound, fsm.Field{Name: "kind", Value: "checkpoint"}, fsm.Field{Name: "reason", Value: "the committee has not cosigned one yet"})
	}
	w.Header().Set("Content-Type", plainText)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(note) // the caller may be gone
	return nil
}

func (d *Door) policy(w http.ResponseWriter, r *http.Request) error {
	query, err := onlyQuery(r, "format")
	if err != nil {
		return err
	}
	s := d.now()
	if wantsText(query["format"], r.Header.Get("Accept")) {
		w.Header().Set("Content-Type", plainText)
		// The one that judges /checkpoint and the proofs under it.
		_, _ = w.Write(s.PolicyAt(s.finalSize).Format()) // the caller may be gone
		return nil
	}
	steps, newest, err := d.config.Node.PolicyChain()
	if err != nil {
		return err
	}
	g := s.Genesis()
	return writeJSON(w, api.PolicyChain{
		Facts: s.facts(), Genesis: g.Envelope.JSON(), Hash: hex.EncodeToString(g.Hash[:]),
		Changes: changesIn(s), Chain: string(proof.FormatChain(steps)), Policy: string(newest.Format()),
	})
}

// changesIn lists the changes of the committee with names in the place of seats.
func changesIn(s state) []api.PolicyChange {
	changes := []api.PolicyChange{}
	for _, c := range s.Changes() {
		replaced, _ := s.Member(c.Old)
		joined, _ := s.Member(c.New)
		row := api.PolicyChange{
			Change: api.Uint64(c.Number), Old: replaced.Name, New: joined.Name, Standing: c.Standing, Decided: api.Uint64(c.Decided),
		}
		if c.Ended > 0 {
			ended := api.Uint64(c.Ended)
			row.Ended = &ended
		}
		changes = append(changes, row)
	}
	return changes
}

func wantsText(format, accept string) bool {
	return format == "text" || (format == "" && strings.HasPrefix(accept, "text/plain"))
}

func (d *Door) genesis(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(d.config.Genesis.Envelope.JSON(), '\n')) // the caller may be gone
	return nil
}

// onlyQuery reads the query of a raw route, each parameter at most once, and
// refuses any that the route does not have.
func onlyQuery(r *http.Request, names ...string) (map[string]string, error) {
	values := map[string]string{}
	for name, given := range r.URL.Query() {
		known := false
		for _, n := range names {
			known = known || n == name
		}
		if !known || len(given) != 1 {
			return nil, malformed("query", errors.New("a parameter is unknown or repeated"))
		}
		values[name] = given[0]
	}
	return values, nil
}
