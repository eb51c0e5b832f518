package journal

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// EntriesLevel is the level that ParseTilePath returns for entry bundles.
const EntriesLevel = -1

// maxTileLevel is the highest level of hash tiles that c2sp.org/tlog-tiles has.
const maxTileLevel = 5

// ParseTilePath takes apart a path of c2sp.org/tlog-tiles: tile/<L>/<N>[.p/<W>] for
// hashes, tile/entries/<N>[.p/<W>] for entries, N in groups of three digits such as
// x001/x234/067. Only the canonical form of a path is accepted.
func ParseTilePath(path string) (level int, index uint64, width int, err error) {
	rest, ok := strings.CutPrefix(path, "tile/")
	// tlog's own paths have a height before the level and call entries data.
	inner, entries := strings.CutPrefix(rest, "entries/")
	if entries {
		rest = "data/" + inner
	} else if strings.HasPrefix(rest, "data/") {
		ok = false
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	if !ok || err != nil || t.L > maxTileLevel {
		return 0, 0, 0, fmt.Errorf("%.80q is not the path of a tile", path)
	}
	return t.L, uint64(t.N), t.W, nil
}
