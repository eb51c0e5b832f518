package transport

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// hanging is a body whose end does not come before it is let go.
type hanging struct {
	reached chan<- struct{}
	letGo   <-chan struct{}
}

func (h hanging) Read([]byte) (int, error) {
	h.reached <- struct{}{}
	<-h.letGo
	return 0, io.EOF
}

// Bodies that do not come to their end hold so much memory and no more: for one address
// first, and what they held is free when they are over.
func TestHeldBodiesAreBounded(t *testing.T) {
	d := closedDoor(t, Limits{})
	const length = 1 << 20
	d.held.ofEach, d.held.inAll = 2*length, 8*length
	post := func(address string, body io.Reader) int {
		r := httptest.NewRequest(http.MethodPost, "/v1/commands:batch", body)
		r.RemoteAddr = address
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
			t.Error("it is not said when to try again")
		}
		return w.Code
	}
	const one, other, third = "192.0.2.1:1", "192.0.2.2:1", "192.0.2.9:1"
	letGo, reached := make(chan struct{}), make(chan struct{})
	var held sync.WaitGroup
	hang := func(address string) {
		for range d.held.ofEach / length {
			held.Go(func() {
				post(address, io.MultiReader(bytes.NewReader(make([]byte, length)), hanging{reached, letGo}))
			})
			<-reached
		}
	}
	hang(one)
	if got := post(one, bytes.NewReader([]byte("{}"))); got != http.StatusServiceUnavailable {
		t.Errorf("an address that holds all it may: %d", got)
	}
	if got := post(other, bytes.NewReader([]byte("{}"))); got == http.StatusServiceUnavailable {
		t.Errorf("another address: %d", got)
	}
	for _, address := range []string{"192.0.2.3:1", "192.0.2.4:1", "192.0.2.5:1"} {
		hang(address)
	}
	if got := post(third, bytes.NewReader([]byte("{}"))); got != http.StatusServiceUnavailable {
		t.Errorf("a node that holds all it may: %d", got)
	}
	close(letGo)
	held.Wait()
	if got := post(one, bytes.NewReader([]byte("{}"))); got == http.StatusServiceUnavailable || d.held.total != 0 || len(d.held.byAddress) != 0 {
		t.Errorf("when all are over: %d, and %d bytes are held", got, d.held.total)
	}
}
