package peer

import (
	"strings"
	"testing"
)

// A probe tells the reason for which a member's port is no use to a node.
func TestProbe(t *testing.T) {
	r := newRig(t, "north", "south", "stranger")
	r.port("north", cluster, r.members[:2])
	north, impostor, nobody := r.members[0], r.members[0], r.members[1]
	impostor.Key = r.members[1].Key
	if err := r.listens["south"].Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cluster [16]byte
		self    string
		to      Member
		want    string // "" is well
	}{
		"a member":           {cluster, "south", north, ""},
		"unknown there":      {cluster, "stranger", north, "does not let this node in"},
		"of another cluster": {[16]byte{9}, "south", north, "bad certificate"},
		"not who it is":      {cluster, "south", impostor, "does not hold the node key"},
		"nobody there":       {cluster, "south", nobody, "refused"},
	} {
		err := Probe(t.Context(), c.cluster, c.self, r.keys[c.self], c.to)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
