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

// consistent looks at one market: its electorates are those it needs, and its
// identities are complete.
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
	if _, ok := b.electorates.Get(b.newest); !ok && b.newest != 0 {
		return fmt.Errorf("the newest electorate %d is missing", b.newest)
	}
	b.electorates.Scan(func(number uint64, e electorateRow) bool {
		if e.readings != readings[number] || e.readings == 0 && number != b.newest {
			wrong = fmt.Errorf("electorate %d says %d readings and has %d", number, e.readings, readings[number])
		}
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	chunks := b.lastNumber / chunkSize
	if kept := min(chunks, IdentityWindow/chunkSize); uint64(b.identities.full.Len()) != kept {
		return fmt.Errorf("%d chunks of identities are kept instead of %d", b.identities.full.Len(), kept)
	}
	return nil
}
