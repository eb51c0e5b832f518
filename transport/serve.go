package transport

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/tallyvault/tallyvault/transport/api"
)

// ServeHTTP is what every request goes through: it counts, logs and makes sure
// that a mistake in one request ends that request only.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	d.metrics.underWay.Inc()
	answer := &recorded{ResponseWriter: w}
	answer.Header().Set("X-Content-Type-Options", "nosniff")
	defer func() {
		d.recovered(recover(), answer, r)
		d.metrics.underWay.Dec()
		d.finish(answer, r, time.Since(begun))
	}()
	d.mux.ServeHTTP(answer, r)
}

// recovered answers a panic if nothing has been answered yet. What is thrown to
// abort a connection is passed on.
func (d *Door) recovered(thrown any, w *recorded, r *http.Request) {
	if thrown == nil {
		return
	}
	if err, ok := thrown.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(thrown)
	}
	d.config.Logger.Error("answering a request failed", "method", r.Method, "path", r.URL.Path, "panic", thrown)
	if w.status == 0 {
		writeProblem(w, problemOfStatus(http.StatusInternalServerError, "internal error").(*api.Problem), nil)
	}
}

func (d *Door) finish(w *recorded, r *http.Request, took time.Duration) {
	route := r.Pattern
	if route == "" || route == "/" {
		route = "other"
	}
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	d.metrics.answered(route, status, took)
	d.config.Logger.LogAttrs(context.Background(), slog.LevelDebug, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Duration("took", took), slog.String("from", r.RemoteAddr))
}

// recorded remembers the status of an answer.
type recorded struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *recorded) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorded) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (w *recorded) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// writeProblem answers with a problem document.
func writeProblem(w http.ResponseWriter, p *api.Problem, header http.Header) {
	body, err := json.Marshal(p)
	if err != nil {
		panic("transport: a problem of strings cannot fail to encode: " + err.Error())
	}
	for name, values := range header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", api.ProblemContentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	// The caller may be gone: nothing can be done about it then.
	_, _ = w.Write(append(body, '\n'))
}
