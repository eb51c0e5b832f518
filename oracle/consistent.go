package oracle

import "fmt"

// Consistent walks the whole state and reports the first thing found wrong
// between its tables. It is for digests and for the end of a load, not for
// every call.
func (s *State) Consistent() error {
	pending := map[string]uint32{}
	live := 0
	for _, b := range s.books {
		if err := b.consistent(); err != nil {
			return fmt.Errorf("market %s: %w", b.row.ID, err)
		}
		live += b.live.Len()
		var wrong error
		b.live.Scan(func(number uint64, row liveRow) bool {
			pending[row.sub.meter.id]++
			if n, ok := s.waiting.Get(momentKey(row.sub.meter.id, row.sub.measuredAt)); !ok || n != number {
				wrong = fmt.Errorf("market %s: reading %d is not found by its moment", b.row.ID, number)
			}
			return wrong == nil
		})
		if wrong != nil {
			return wrong
		}
	}
	if s.waiting.Len() != live {
		return fmt.Errorf("%d moments for %d live readings", s.waiting.Len(), live)
	}
	var wrong error
	s.meters.Scan(func(id string, m meterRow) bool {
		if m.pending != pending[id] {
			wrong = fmt.Errorf("meter %s says %d pending readings and has %d", id, m.pending, pending[id])
		}
		return wrong == nil
	})
	return wrong
}

// consistent looks at one market alone.
func (b *book) consistent() error {
	readings := map[uint64]uint64{}
	var wrong error
	b.live.Scan(func(number uint64, row liveRow) bool {
		readings[row.sub.electorate]++
		if number != row.sub.number || number > b.lastNumber {
			wrong = fmt.Errorf("reading %d is filed under %d of %d", row.sub.number, number, b.lastNumber)
		} else if wrong = b.checkVotes(row); wrong != nil {
			wrong = fmt.Errorf("reading %d: %w", number, wrong)
		}
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	if err := b.consistentElectorates(readings); err != nil {
		return err
	}
	return b.identities.complete(b.lastNumber)
}

// consistentElectorates says whether the electorates kept are those needed,
// given how many live readings each tallies.
func (b *book) consistentElectorates(readings map[uint64]uint64) error {
	if _, ok := b.electorates.Get(b.newest); !ok && b.newest != 0 {
		return fmt.Errorf("the newest electorate %d is missing", b.newest)
	}
	var wrong error
	b.electorates.Scan(func(number uint64, e electorateRow) bool {
		if e.readings != readings[number] || e.readings == 0 && number != b.newest {
			wrong = fmt.Errorf("electorate %d says %d readings and has %d", number, e.readings, readings[number])
		}
		return wrong == nil
	})
	return wrong
}

// complete says whether every identity that must be kept is there. A zero is
// none: identities are hashes.
func (ids *identities) complete(last uint64) error {
	want := min(last/chunkSize, IdentityWindow/chunkSize)
	if uint64(ids.full.Len()) != want {
		return fmt.Errorf("%d chunks of identities are kept instead of %d", ids.full.Len(), want)
	}
	for i := range last % chunkSize {
		if ids.tail[i] == (Identity{}) {
			return fmt.Errorf("the identity of number %d is missing", last-last%chunkSize+1+i)
		}
	}
	return nil
}
