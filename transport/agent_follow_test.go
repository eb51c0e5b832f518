package transport_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// followed runs an agent of oracle-a behind a server that may spoil its streams of
// events, and counts what it asks for.
type followed struct {
	runner
	nonce           uint64
	readings, opens atomic.Int64
}

func follow(t *testing.T, events func(w http.ResponseWriter, r *http.Request) (answered bool)) *followed {
	f := &followed{runner: runner{t, start(t, nil)}}
	f.c.World()
	stop := f.attester(f.c.through("oracle-a", 0, func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/v1/readings":
			f.readings.Add(1)
		case "/v1/events":
			f.opens.Add(1)
			return events(w, r)
		}
		return false
	}), 1_000_000, nil)
	t.Cleanup(stop)
	return f
}

// vote submits a reading and waits for the agent's vote on it.
func (f *followed) vote() (took time.Duration) {
	f.t.Helper()
	f.nonce++
	if _, err := f.c.Client("").Submit(f.c.Context(), f.c.Reading(f.nonce, 5000+f.nonce, base.Add(time.Duration(f.nonce)*time.Minute))); err != nil {
		f.t.Fatal(err)
	}
	begun := time.Now()
	f.c.Until(fmt.Sprintf("a vote on reading %d", f.nonce), func() bool { return len(f.reading(int(f.nonce)).Votes) == 1 })
	return time.Since(begun)
}

// Once a node tells events, the agent asks for readings when there are some, and at
// no other time.
func TestAgentFollowsEvents(t *testing.T) {
	f := follow(t, func(http.ResponseWriter, *http.Request) bool { return false })
	f.vote()
	f.c.Until("a stream of events", func() bool { return f.opens.Load() > 0 })
	f.vote() // what polled before is answered by this reading
	before := f.readings.Load()
	for range 5 {
		if took := f.vote(); took > 10*time.Second {
			t.Errorf("voted after %s", took)
		}
	}
	if asked := f.readings.Load() - before; asked > 7 || f.opens.Load() != 1 {
		t.Errorf("asked %d times for 5 readings, over %d streams", asked, f.opens.Load())
	}
}

// Streams that are cut are taken up again where they were.
func TestAgentOutlivesStreams(t *testing.T) {
	cut := make(chan struct{})
	f := follow(t, func(w http.ResponseWriter, r *http.Request) bool {
		select {
		case <-cut:
			return false // from here on they last
		default:
		}
		go func() { // ends with the test's server
			<-cut
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0))
		}()
		return false
	})
	f.vote()
	f.c.Until("a stream of events", func() bool { return f.opens.Load() == 1 })
	f.vote()
	close(cut)
	f.vote()
	f.c.Until("another stream", func() bool { return f.opens.Load() > 1 })
	before := f.readings.Load()
	f.vote()
	f.vote()
	if asked := f.readings.Load() - before; asked > 4 {
		t.Errorf("asked %d times for 2 readings", asked)
	}
}

// Nodes that know no events are asked for readings, whatever they answer.
func TestAgentWithoutEvents(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"no problem document": func(w http.ResponseWriter) { http.Error(w, "no such page", http.StatusNotFound) },
		"a problem document": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"code": "NotFound", "status": 404, "title": "not found"}`)
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			f := follow(t, func(w http.ResponseWriter, r *http.Request) bool { answer(w); return true })
			for range 3 {
				if took := f.vote(); took > 10*time.Second {
					t.Errorf("voted after %s", took)
				}
			}
		})
	}
}
