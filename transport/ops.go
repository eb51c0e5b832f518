package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Ops is the listener for the operator and her machines: /livez, /readyz,
// /metrics and profiles under /debug/pprof/. It speaks plain HTTP and belongs on a loopback or management
// address, apart from the API, so that it answers when the API is overrun.
type Ops struct {
	// Ready says why the node should not be asked now, or nil.
	Ready    func() error
	Gatherer prometheus.Gatherer
	Logger   *slog.Logger
}

// opsTimeout bounds every request to the operator's listener.
const opsTimeout = 10 * time.Second

// Run serves until ctx ends. It closes the listener.
func (o Ops) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           o.mux(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       opsTimeout,
		WriteTimeout:      2 * opsTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	err := shutDown(server)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		return ended
	}
	return err
}

func (o Ops) mux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		say(w, http.StatusOK, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			say(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		Timeout: opsTimeout, MaxRequestsInFlight: 4,
	}))
	profileRoutes(mux)
	return mux
}

func say(w http.ResponseWriter, status int, words string) {
	w.Header().Set("Content-Type", plainText)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, words) // the caller may be gone
}
