package oracle

import (
	"encoding/binary"
	"fmt"
)

// momentSize is the length of a moment behind the meter's id in a key.
const momentSize = 1 + 8

// momentKey orders live readings by meter, then by time of measuring. The zero
// byte ends the id, which cannot contain one, so meters never mix. Times are
// not negative here, so their bytes sort as they do.
func momentKey(meter string, measuredAt int64) string {
	var room [64 + momentSize]byte
	key := append(room[:0], meter...)
	key = append(key, 0)
	key = binary.BigEndian.AppendUint64(key, uint64(measuredAt))
	return string(key)
}

// ascend yields the live readings of a meter in order of measuring.
func (s *State) ascend(b *book, meter string, yield func(liveRow) bool) {
	s.waiting.Ascend(momentKey(meter, 0), func(key string, number uint64) bool {
		if len(key) != len(meter)+momentSize || key[:len(meter)] != meter {
			return false
		}
		return yield(b.mustLive(number))
	})
}

// head returns the live reading of a meter that was measured first.
func (s *State) head(b *book, meter string) (row liveRow, ok bool) {
	s.ascend(b, meter, func(r liveRow) bool {
		row, ok = r, true
		return false
	})
	return row, ok
}

// mustLive returns a reading that another table says is live.
func (b *book) mustLive(number uint64) liveRow {
	row, ok := b.live.Get(number)
	if !ok {
		panic(fmt.Sprintf("oracle: market %s: reading %d is referred to and not live", b.row.ID, number))
	}
	return row
}
