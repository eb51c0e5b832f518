package transport

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/reference"
	"github.com/tallyvault/tallyvault/transport/schema"
)

const htmlText = "text/html; charset=utf-8"

func (d *Door) referenceRoute() {
	d.raw(huma.Operation{
		OperationID: "reference", Method: http.MethodGet, Path: "/reference", Tags: []string{"documents"},
		Summary:   "All of this for people, to browse and to search",
		Responses: d.responses(http.StatusOK, "a page", map[string]*huma.MediaType{htmlText: {Schema: &huma.Schema{Type: huma.TypeString}}}),
	}, d.serveReference)
}

// serveReference serves the page under a policy that lets nothing else in.
func (d *Door) serveReference(w http.ResponseWriter, _ *http.Request) error {
	page, err := d.page()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Security-Policy", page.Policy)
	w.Header().Set("Referrer-Policy", "no-referrer")
	return writeDocument(w, htmlText, page.HTML)
}

func (d *Door) drawReference() (reference.Page, error) {
	doc, err := d.document()
	if err != nil {
		return reference.Page{}, err
	}
	source := reference.Source{OpenAPI: doc.openAPI, Address: d.config.Node.Self().APIAddress}
	for _, f := range fsm.CommandForms() {
		source.Commands = append(source.Commands, reference.Command{
			Name: f.Name, PayloadType: f.PayloadType, Scope: f.Scope, Threshold: f.Threshold, Schema: schema.PayloadName(f.Name),
		})
	}
	for _, f := range fsm.ReceiptForms() {
		source.Receipts = append(source.Receipts, reference.Schema{Kind: f.Kind, Schema: schema.ReceiptName(f.Kind)})
	}
	for _, n := range doc.listed {
		if n.Kind == api.SchemaOfBody {
			source.Bodies = append(source.Bodies, n.Name)
		}
	}
	for _, code := range fsm.Codes() {
		source.Codes = append(source.Codes, reference.Code{
			Code: string(code), Cause: code.Cause(), Recovery: code.Recovery(), Runbook: runbookOf(code), Status: statusOf[code],
		})
	}
	return reference.Draw(source)
}
