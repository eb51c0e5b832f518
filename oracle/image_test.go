package oracle

import (
	"reflect"
)

// again loads the image of a state into a new one.
func again(t interface{ Fatal(...any) }, s *State) *State {
	out := NewState()
	s.Image(func(row []byte) {
		if err := out.Load(row); err != nil {
			t.Fatal(err)
		}
	})
	consistent(t, out)
	return out
}

// same compares two states by their images.
func same(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, a, b *State,
) {
	if rows(a) != rows(b) {
		t.Fatalf("images differ:\n%s\n%s", rows(a), rows(b))
	}
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }
