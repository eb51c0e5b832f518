package oracle

import (
	"sort"
	"strconv"
	"strings"

	"github.com/tidwall/btree"
)

// MaxMarkets bounds the markets. They are few and copied with the state, so
// they need no tree.
const MaxMarkets = 64

// Clock is the cluster's time as the caller knows it: replicated unix
// milliseconds and the block count.
type Clock struct {
	Now    int64
	Height uint64
}

// State is everything this package remembers. A State is used by one
// goroutine; its copies may be used by others.
type State struct {
	books     []*book // in order of market id
	providers *btree.Map[string, Provider]
	meters    *btree.Map[string, meterRow]

	// waiting finds the live readings of a meter in order of measuring: from
	// momentKey(meter, measured at) to reading number.
	waiting *btree.Map[string, uint64]

	// loaded is the order key of the row that Load took last.
	loaded string
}

// book is one market with its tables. A book belongs to one state alone.
type book struct {
	row       Market
	scheduled []scheduled // in order of epoch; replaced, never changed
	weights   []Member    // in order of oracle; replaced, never changed

	electorates *btree.Map[uint64, electorateRow]
	newest      uint64 // number of the newest electorate, 0 before the first

	lastNumber     uint64 // readings
	lastSettlement uint64

	identities  identities
	live        *btree.Map[uint64, liveRow]
	settlements *btree.Map[uint64, *Settlement] // never changed, replaced
}

// scheduled is a market row that begins with an epoch to come.
type scheduled struct {
	epoch uint64
	row   Market
}

// NewState returns a state without markets, meters and providers.
func NewState() *State {
	return &State{
		providers: btree.NewMap[string, Provider](0),
		meters:    btree.NewMap[string, meterRow](0),
		waiting:   btree.NewMap[string, uint64](0),
	}
}

func newBook(row Market) *book {
	return &book{
		row:         row,
		electorates: btree.NewMap[uint64, electorateRow](0),
		identities:  newIdentities(),
		live:        btree.NewMap[uint64, liveRow](0),
		settlements: btree.NewMap[uint64, *Settlement](0),
	}
}

// Copy returns an independent state with the same content. It costs the same
// for any number of readings and meters. It counts as a change of s: no other
// goroutine may be using s meanwhile.
func (s *State) Copy() *State {
	c := &State{
		books:     make([]*book, len(s.books)),
		providers: s.providers.Copy(),
		meters:    s.meters.Copy(),
		waiting:   s.waiting.Copy(),
		loaded:    s.loaded,
	}
	for i, b := range s.books {
		twin := *b
		twin.electorates = b.electorates.Copy()
		twin.identities = b.identities.copied()
		twin.live = b.live.Copy()
		twin.settlements = b.settlements.Copy()
		c.books[i] = &twin
	}
	return c
}

// book returns a market's book, nil if there is no such market.
func (s *State) book(id string) *book {
	i, ok := sort.Find(len(s.books), func(i int) int { return strings.Compare(id, s.books[i].row.ID) })
	if !ok {
		return nil
	}
	return s.books[i]
}

// AddMarket opens a market with its first row.
func (s *State) AddMarket(m Market) *Refusal {
	if r := m.Validate(); r != nil {
		return r
	}
	i, ok := sort.Find(len(s.books), func(i int) int { return strings.Compare(m.ID, s.books[i].row.ID) })
	if ok {
		return exists("market", m.ID)
	}
	if len(s.books) >= MaxMarkets {
		return full(LimitMarkets, MaxMarkets)
	}
	s.books = append(s.books, nil)
	copy(s.books[i+1:], s.books[i:])
	s.books[i] = newBook(m)
	return nil
}

// MaxScheduled bounds the rows of one market that wait for their epoch.
const MaxScheduled = 16

// ScheduleMarket replaces a market's row from a future epoch on. A row already
// scheduled for that very epoch is replaced too: until it begins, the last
// decision counts. The asset is fixed, since meters' payers hold that asset.
func (s *State) ScheduleMarket(m Market, activationEpoch, epoch uint64) *Refusal {
	if r := m.Validate(); r != nil {
		return r
	}
	b := s.book(m.ID)
	if b == nil {
		return unknown(KindMarket, m.ID)
	}
	if m.Asset != b.row.Asset {
		return refuse(InvalidTransition, Field{"reason", ReasonFixed}, Field{"current", b.row.Asset}, Field{"allowed", b.row.Asset})
	}
	if activationEpoch <= epoch {
		return refuse(InvalidTransition, Field{"reason", ReasonNotInTheFuture},
			Field{"current", strconv.FormatUint(epoch, 10)}, Field{"activation_epoch", strconv.FormatUint(activationEpoch, 10)})
	}
	i, ok := sort.Find(len(b.scheduled), func(i int) int {
		switch at := b.scheduled[i].epoch; {
		case activationEpoch < at:
			return -1
		case activationEpoch > at:
			return 1
		}
		return 0
	})
	if !ok && len(b.scheduled) >= MaxScheduled {
		return full(LimitScheduled, MaxScheduled)
	}
	rows := make([]scheduled, 0, len(b.scheduled)+1)
	rows = append(rows, b.scheduled[:i]...)
	rows = append(rows, scheduled{activationEpoch, m})
	if ok {
		i++
	}
	b.scheduled = append(rows, b.scheduled[i:]...)
	return nil
}
