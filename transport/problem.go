package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// statusOf is the HTTP status of each code. A status is for generic programs
// (proxies, browsers, retry libraries); what is wrong is said by the code.
var statusOf = map[fsm.Code]int{
	fsm.MalformedPayload:   http.StatusBadRequest,
	fsm.UnknownKey:         http.StatusForbidden,
	fsm.SignatureInvalid:   http.StatusForbidden,
	fsm.KeyRevoked:         http.StatusForbidden,
	fsm.Unauthorized:       http.StatusForbidden,
	fsm.ProviderInactive:   http.StatusForbidden,
	fsm.NotFound:           http.StatusNotFound,
	fsm.WrongCluster:       http.StatusConflict,
	fsm.WrongEra:           http.StatusConflict,
	fsm.NonceReplay:        http.StatusConflict,
	fsm.Paused:             http.StatusConflict,
	fsm.SettlementConflict: http.StatusConflict,
	fsm.InvalidTransition:  http.StatusConflict,
	fsm.InsufficientFunds:  http.StatusConflict,
	fsm.StaleDependency:    http.StatusConflict,
	fsm.CircularDependency: http.StatusConflict,
	fsm.Expired:            http.StatusUnprocessableEntity,
	fsm.MeterMismatch:      http.StatusUnprocessableEntity,
	fsm.TimestampSkew:      http.StatusUnprocessableEntity,
	fsm.InvalidTarget:      http.StatusUnprocessableEntity,
	fsm.QuorumFailed:       http.StatusUnprocessableEntity,
	fsm.ExecutionFailed:    http.StatusUnprocessableEntity,
	fsm.LimitExceeded:      http.StatusUnprocessableEntity,
	fsm.RateLimited:        http.StatusTooManyRequests,
	fsm.Unavailable:        http.StatusServiceUnavailable,
}

// problem makes the document of one code from the one table of codes.
func problem(code fsm.Code, fields ...fsm.Field) *api.Problem {
	return problemFrom(&fsm.Refusal{Code: code, Fields: fields})
}

func problemFrom(r *fsm.Refusal) *api.Problem {
	return &api.Problem{
		Type:     "urn:tallyvault:problem:" + string(r.Code),
		Title:    string(r.Code),
		Status:   statusOf[r.Code],
		Detail:   detailOf(r),
		Code:     string(r.Code),
		Cause:    r.Code.Cause(),
		Recovery: r.Code.Recovery(),
		Runbook:  runbookOf(r.Code),
		Fields:   fieldsOf(r),
	}
}

func runbookOf(code fsm.Code) string {
	return "runbooks/refusals.md#" + strings.ToLower(string(code))
}

// detailOf is the cause with its values in brackets.
func detailOf(r *fsm.Refusal) string {
	if len(r.Fields) == 0 {
		return r.Code.Cause()
	}
	values := make([]string, 0, len(r.Fields))
	for _, f := range r.Fields {
		values = append(values, f.Name+" "+f.Value)
	}
	return strings.TrimSuffix(r.Code.Cause(), ".") + " (" + strings.Join(values, ", ") + ")."
}

func fieldsOf(r *fsm.Refusal) map[string]string {
	if r == nil || len(r.Fields) == 0 {
		return nil
	}
	fields := make(map[string]string, len(r.Fields))
	for _, f := range r.Fields {
		fields[f.Name] = f.Value
	}
	return fields
}

// problemOf is the only place where an error becomes an answer. An error that
// nobody foresaw says nothing of its text to the caller: it goes to the log.
func problemOf(err error) *api.Problem {
	var known *api.Problem
	var refusal *fsm.Refusal
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &refusal):
		return problemFrom(refusal)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem(fsm.Unavailable, fsm.Field{Name: "detail", Value: "the request's time was over"})
	}
	p := problem(fsm.Unavailable, fsm.Field{Name: "detail", Value: "internal error"})
	p.Status = http.StatusInternalServerError
	return p
}

// problemOfStatus words what the HTTP library found wrong with a request before
// a handler saw it.
func problemOfStatus(status int, message string, errs ...error) huma.StatusError {
	words := []string{message}
	for _, err := range errs {
		if err != nil {
			words = append(words, describe(err))
		}
	}
	p := problem(codeOfStatus(status), fsm.Field{Name: "detail", Value: strings.Join(words, "; ")})
	p.Status = status
	return p
}

func codeOfStatus(status int) fsm.Code {
	switch {
	case status == http.StatusNotFound:
		return fsm.NotFound
	case status == http.StatusTooManyRequests:
		return fsm.RateLimited
	case status >= 500:
		return fsm.Unavailable
	}
	return fsm.MalformedPayload
}

// describe names the place of a validation error without the value, which may
// be long or secret.
func describe(err error) string {
	var detail huma.ErrorDetailer
	if errors.As(err, &detail) {
		d := detail.ErrorDetail()
		return fmt.Sprintf("%s: %s", d.Location, d.Message)
	}
	return err.Error()
}
