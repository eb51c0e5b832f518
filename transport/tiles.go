package transport

import (
	"errors"
	"net/http"

	"github.com/tallyvault/tallyvault/cluster/journal"
)

// tile serves what lies under the published checkpoint and nothing beyond it:
// whoever asks for a tile has a checkpoint to check it against.
func (d *Door) tile(w http.ResponseWriter, r *http.Request) error {
	path := r.PathValue("tile")
	level, index, width, err := journal.ParseTilePath("tile/" + path)
	if err != nil {
		return malformed("path", err)
	}
	if level == journal.EntriesLevel {
		reader, err := d.readerOfRequest(r)
		if err != nil {
			return err
		}
		return d.entries(w, reader, index, width)
	}
	if !covered(level, index, width, d.config.Node.FinalSize()) {
		return missing("tile", path)
	}
	data, err := d.config.Node.Journal().TileData(level, index, width)
	if err != nil {
		return journalError(err, path)
	}
	return writeTile(w, data)
}

func (d *Door) entries(w http.ResponseWriter, _ Reader, index uint64, width int) error {
	if !covered(0, index, width, d.config.Node.FinalSize()) {
		return missing("tile", "entries")
	}
	data, err := d.config.Node.Journal().EntryBundle(index, width)
	if err != nil {
		return journalError(err, "entries")
	}
	return writeTile(w, data)
}

// covered says whether a tile lies wholly within a tree of that size. The index
// is compared before it is multiplied, so that nothing can overflow.
func covered(level int, index uint64, width int, size uint64) bool {
	hashes := size >> (8 * level)
	return index <= hashes/256 && index*256+uint64(width) <= hashes
}

// writeTile may be cached for ever: a tile of a given width never changes.
func writeTile(w http.ResponseWriter, data []byte) error {
	w.Header().Set("Content-Type", binary)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(data) // the caller may be gone
	return nil
}

func journalError(err error, what string) error {
	var beyond *journal.RangeError
	if errors.As(err, &beyond) {
		return missing("tile", what)
	}
	return err
}
