package api

import (
	"fmt"
	"net/http"
)

// ProblemContentType is the media type of a problem document.
const ProblemContentType = "application/problem+json"

// Problem is an RFC 9457 problem document; every error of the API is one.
type Problem struct {
	Type     string            `json:"type" doc:"a name for the code that is unique in the world" example:"urn:tallyvault:problem:NonceReplay"`
	Title    string            `json:"title" doc:"the code"`
	Status   int               `json:"status" doc:"the HTTP status"`
	Detail   string            `json:"detail" doc:"the cause with its values"`
	Code     string            `json:"code" doc:"stable name of what is wrong" example:"NonceReplay"`
	Cause    string            `json:"cause" doc:"what the code means"`
	Recovery string            `json:"recovery" doc:"what to do now"`
	Runbook  string            `json:"runbook" doc:"where in the project's documents the code is explained"`
	Fields   map[string]string `json:"fields,omitempty" doc:"the values behind the cause" example:"{\"last_nonce\":\"17\"}"`
	Logged   bool              `json:"logged" doc:"true: the refusal is replicated, its nonce is consumed; false: nothing was consumed"`
	Outcome  *Outcome          `json:"outcome,omitempty" doc:"the replicated outcome, if logged"`
}

// Error says code and detail in one line.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Code, p.Detail) }

// GetStatus is the HTTP status with which the problem is sent.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type in which the problem is sent.
func (p *Problem) ContentType(string) string { return ProblemContentType }

// Unknown says that the request may or may not have taken effect.
func (p *Problem) Unknown() bool {
	return p.Status == http.StatusGatewayTimeout || p.Status == http.StatusInternalServerError
}
