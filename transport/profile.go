package transport

import (
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"
)

// Bounds of a processor profile.
const (
	profileDefault = 10 * time.Second
	profileMost    = 2 * time.Minute
)

// profileRoutes let the operator see where a node's processor time and memory
// go, in the form that `go tool pprof` reads. They tell names of functions and
// counts, and nothing of what the node holds.
func profileRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/profile", serveProcessorProfile)
	for _, name := range []string{"allocs", "heap", "goroutine"} {
		mux.HandleFunc("GET /debug/pprof/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			_ = pprof.Lookup(name).WriteTo(w, 0) // the caller may be gone
		})
	}
}

// serveProcessorProfile records for so many seconds, or until the caller leaves.
func serveProcessorProfile(w http.ResponseWriter, r *http.Request) {
	length := profileDefault
	if text := r.FormValue("seconds"); text != "" {
		n, err := strconv.ParseUint(text, 10, 16)
		if length = time.Duration(n) * time.Second; err != nil || length < time.Second || length > profileMost {
			say(w, http.StatusBadRequest, "seconds: want 1 to "+seconds(profileMost))
			return
		}
	}
	if http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length+opsTimeout)) != nil {
		say(w, http.StatusInternalServerError, "the answer cannot take that long")
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	if err := pprof.StartCPUProfile(w); err != nil {
		say(w, http.StatusConflict, err.Error())
		return
	}
	defer pprof.StopCPUProfile()
	select {
	case <-r.Context().Done():
	case <-time.After(length):
	}
}
