package logstore

import "testing"

// Each write is watched while it is under way, and not before: whoever waits for
// another writer does not hang.
func TestWritesAreWatched(t *testing.T) {
	r := newRig(t)
	r.kill()
	under, seen := "", map[string]bool{}
	config := r.config()
	config.Watch = func(what string) func() {
		if under != "" {
			t.Errorf("to %s begins within to %s", what, under)
		}
		under = what
		return func() { under = "" }
	}
	s, err := Open(config)
	r.must(err)
	s.bolt = &between{s.bolt, func(op func() error) error {
		seen[under] = true
		return op()
	}}
	for _, w := range r.life() {
		r.must(w.do(s))
	}
	r.must(s.Close())
	if len(seen) != 3 || seen[""] || under != "" {
		t.Errorf("watched: %v, still under way: %q", seen, under)
	}
}
