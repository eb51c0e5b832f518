package oracle

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Load takes one row that Image emitted, in the order it emitted them, into a
// state that began empty. A row that Image could not have emitted there is an
// error and changes nothing. Whether rows are missing is for Consistent to say
// after the last.
func (s *State) Load(raw []byte) error {
	r := &reader{rest: cryptobyte.String(raw)}
	r.tag = r.u8()
	if r.err != nil {
		return errors.New("oracle row is empty")
	}
	tables := [...]struct {
		name string
		load func(*State, *reader) error
	}{
		tagMarket:     {"market", loadMarket},
		tagScheduled:  {"scheduled market", loadScheduled},
		tagWeight:     {"weight", loadWeight},
		tagElectorate: {"electorate", loadElectorate},
		tagProvider:   {"provider", loadProvider},
		tagMeter:      {"meter", loadMeter},
		tagIdentities: {"identities", loadIdentities},
		tagReading:    {"reading", loadReading},
		tagSettlement: {"settlement", loadSettlement},
	}
	if r.tag == 0 || int(r.tag) >= len(tables) {
		return fmt.Errorf("oracle row has the unknown tag 0x%02x", r.tag)
	}
	if err := tables[r.tag].load(s, r); err != nil {
		return fmt.Errorf("loading a %s row: %w", tables[r.tag].name, err)
	}
	s.loaded = r.key
	return nil
}

// whole ends the reading of a row and says whether it may follow the one
// before. Tables order their rows by an id and either a number or a second id.
func (s *State) whole(r *reader, id string, number uint64, second string) error {
	if err := r.end(); err != nil {
		return err
	}
	key := append([]byte{r.tag}, id...)
	key = append(key, 0)
	key = binary.BigEndian.AppendUint64(key, number)
	r.key = string(append(key, second...))
	if r.key <= s.loaded {
		return errors.New("it does not follow the row before")
	}
	return nil
}

// inBook is whole for rows of a market's tables, which must exist.
func (s *State) inBook(r *reader, market string, number uint64, second string) (*book, error) {
	if err := s.whole(r, market, number, second); err != nil {
		return nil, err
	}
	b := s.book(market)
	if b == nil {
		return nil, fmt.Errorf("market %s does not exist", market)
	}
	return b, nil
}

func loadMarket(s *State, r *reader) error {
	m := r.market(r.id())
	newest, lastNumber, lastSettlement := r.u64(), r.u64(), r.u64()
	if err := s.whole(r, m.ID, 0, ""); err != nil {
		return err
	}
	if refused := s.AddMarket(m); refused != nil {
		return refused
	}
	b := s.book(m.ID)
	b.newest, b.lastNumber, b.lastSettlement = newest, lastNumber, lastSettlement
	return nil
}

func loadScheduled(s *State, r *reader) error {
	id, epoch := r.id(), r.u64()
	m := r.market(id)
	b, err := s.inBook(r, id, epoch, "")
	if err != nil {
		return err
	}
	if m.Asset != b.row.Asset || len(b.scheduled) == MaxScheduled {
		return errors.New("it could not have been scheduled")
	}
	b.scheduled = append(b.scheduled, scheduled{epoch, m})
	return nil
}

func loadWeight(s *State, r *reader) error {
	market, oracle, weight := r.id(), r.id(), r.u64()
	if _, err := s.inBook(r, market, 0, oracle); err != nil {
		return err
	}
	if weight == 0 {
		return errors.New("weight is zero")
	}
	if refused := s.SetOracleWeight(market, oracle, weight); refused != nil {
		return refused
	}
	return nil
}

func loadElectorate(s *State, r *reader) error {
	market, number, epoch, threshold := r.id(), r.u64(), r.u64(), r.u32()
	members := r.members()
	b, err := s.inBook(r, market, number, "")
	if err != nil {
		return err
	}
	if number < 1 || number > b.newest {
		return fmt.Errorf("number %d is not between 1 and %d", number, b.newest)
	}
	if threshold <= million/2 || threshold > million {
		return fmt.Errorf("threshold %d is out of range", threshold)
	}
	b.electorates.Set(number, electorateRow{Electorate: newElectorate(number, epoch, threshold, members)})
	return nil
}

func loadProvider(s *State, r *reader) error {
	p := Provider{r.id(), r.bool()}
	if err := s.whole(r, p.ID, 0, ""); err != nil {
		return err
	}
	if refused := s.AddProvider(p.ID); refused != nil {
		return refused
	}
	s.providers.Set(p.ID, p)
	return nil
}

func loadMeter(s *State, r *reader) error {
	m := Meter{
		ID: r.id(), Market: r.id(), Provider: r.id(), Payer: r.id(), Capacity: r.u64(), IntervalMs: r.i64(), Decimals: r.u8(),
		HasBase: r.bool(), BaseRegister: r.u64(), BaseMeasuredAt: r.i64(), Remainder: r.u64(),
	}
	if err := s.whole(r, m.ID, 0, ""); err != nil {
		return err
	}
	if refused := s.checkMeter(m); refused != nil {
		return refused
	}
	if m.BaseMeasuredAt < 0 || m.BaseMeasuredAt > maxUnixMs || m.Remainder >= powersOfTen[m.Decimals] {
		return errors.New("base or remainder is out of range")
	}
	if !m.HasBase && (m.BaseRegister != 0 || m.BaseMeasuredAt != 0 || m.Remainder != 0) {
		return errors.New("it has no base and figures of one")
	}
	s.meters.Set(m.ID, meterRow{
		spec: m.spec(), hasBase: m.HasBase, baseRegister: m.BaseRegister, baseMeasuredAt: m.BaseMeasuredAt, remainder: m.Remainder,
	})
	return nil
}

func loadIdentities(s *State, r *reader) error {
	market, first := r.id(), r.u64()
	var run chunk
	n := uint64(r.u8())
	for i := range min(n, chunkSize) {
		run[i] = r.identity()
	}
	b, err := s.inBook(r, market, first, "")
	if err != nil {
		return err
	}
	if n < 1 || n > chunkSize || first%chunkSize != 1 || first > b.lastNumber || n != min(chunkSize, b.lastNumber-first+1) {
		return fmt.Errorf("%d from number %d on are not a chunk below %d", n, first, b.lastNumber)
	}
	if n < chunkSize {
		b.identities.tail = run
		return nil
	}
	index := (first - 1) / chunkSize
	if b.lastNumber/chunkSize > index+IdentityWindow/chunkSize {
		return fmt.Errorf("number %d left the window before %d", first, b.lastNumber)
	}
	b.identities.full.Set(index, &run)
	return nil
}
