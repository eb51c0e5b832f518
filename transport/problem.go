package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/cluster"
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
func problemOf(err error) (*api.Problem, http.Header) {
	var (
		known       *api.Problem
		refusal     *fsm.Refusal
		unavailable *cluster.Unavailable
		unknown     *cluster.UnknownOutcome
		headers     huma.HeadersError
	)
	switch {
	case errors.As(err, &known):
		if errors.As(err, &headers) {
			return known, headers.GetHeaders()
		}
		return known, nil
	case errors.As(err, &refusal):
		return problemFrom(refusal), nil
	case errors.As(err, &unavailable):
		return problem(fsm.Unavailable, fsm.Field{Name: "reason", Value: unavailable.Reason}), retryAfter(unavailable.RetryAfter)
	case errors.As(err, &unknown):
		return unknownOutcome(unknown.ID), nil
	case errors.Is(err, cluster.ErrIncomplete):
		return problem(fsm.Unavailable, fsm.Field{Name: "reason", Value: "this node's journal is not complete yet"}), retryAfter(time.Second)
	case errors.Is(err, cluster.ErrNoLeaf):
		return problem(fsm.NotFound, fsm.Field{Name: "kind", Value: "leaf"}), nil
	case errors.Is(err, cluster.ErrNotFinal):
		return problem(fsm.NotFound, fsm.Field{Name: "kind", Value: "proof"}, fsm.Field{Name: "reason", Value: err.Error()}), nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem(fsm.Unavailable, fsm.Field{Name: "reason", Value: "the request's time was over"}), retryAfter(time.Second)
	}
	p := problem(fsm.Unavailable, fsm.Field{Name: "reason", Value: "internal error"})
	p.Status = http.StatusInternalServerError
	return p, nil
}

// unknownOutcome says that a command may or may not have been logged. The
// status tells it from a 503, after which nothing was logged for sure.
func unknownOutcome(id fsm.Identity) *api.Problem {
	p := problem(fsm.Unavailable, fsm.Field{Name: "id", Value: id.String()}, fsm.Field{Name: "reason", Value: "the outcome is not known yet"})
	p.Status = http.StatusGatewayTimeout
	return p
}

// retryAfter rounds up, since the header counts whole seconds.
func retryAfter(wait time.Duration) http.Header {
	whole := max(int64((wait+time.Second-1)/time.Second), 1)
	return http.Header{"Retry-After": {strconv.FormatInt(whole, 10)}}
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
