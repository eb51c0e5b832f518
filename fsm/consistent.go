package fsm

import (
	"fmt"

	"github.com/tallyvault/tallyvault/oracle"
	"github.com/tallyvault/tallyvault/treasury"
)

// consistent walks a restored state and reports the first thing that no history
// leads to. What it lets pass, Apply can go on from without panicking.
func (s *state) consistent() error {
	if err := s.oracle.Consistent(); err != nil {
		return err
	}
	if err := s.ledger.Conserved(); err != nil {
		return err
	}
	if err := s.book.Consistent(s.ledger); err != nil {
		return err
	}
	if s.book.Params().EpochBlocks != s.genesis.EpochBlocks || s.book.Height() > s.clock.height {
		return fmt.Errorf("the treasury has epochs of %d blocks, at height %d of %d", s.book.Params().EpochBlocks, s.book.Height(), s.clock.height)
	}
	for _, check := range []func() error{s.consistentCuts, s.consistentMembers, s.consistentPeople, s.consistentDebts, s.consistentHeld, s.consistentDue} {
		if err := check(); err != nil {
			return err
		}
	}
	if c := s.clock; c.now < 0 || c.now > 2*maxStatedMs || c.median < 0 || c.median > maxStatedMs || c.remainder >= uint64(s.genesis.BlockMs) {
		return fmt.Errorf("clock at %d ms with %d ms left over", c.now, c.remainder)
	}
	return nil
}

func (s *state) consistentCuts() error {
	if len(s.cuts) > keptCuts || uint64(len(s.cuts)) < min(s.cutCount, keptCuts) {
		return fmt.Errorf("%d cuts are kept of %d", len(s.cuts), s.cutCount)
	}
	for i, c := range s.cuts {
		if want := s.cutCount - uint64(len(s.cuts)-1-i); c.Number != want || c.Size > s.edge.Size() {
			return fmt.Errorf("cut %d of size %d stands where cut %d belongs", c.Number, c.Size, want)
		}
	}
	if s.digestAt.cut > s.cutCount || s.final.Number > s.cutCount {
		return fmt.Errorf("cut %d owes a digest and cut %d is final, of %d", s.digestAt.cut, s.final.Number, s.cutCount)
	}
	return nil
}

// consistentPeople asks for the accounts of everybody and the owner of every key.
func (s *state) consistentPeople() error {
	owned := map[string]uint32{}
	var wrong error
	s.keys.Scan(func(_ string, k *Key) bool {
		owned[k.Principal]++
		if p, known := s.principals.Get(k.Principal); !known || p.Role != k.Role {
			wrong = fmt.Errorf("key %s is nobody's", k.ID)
		}
		return wrong == nil
	})
	if wrong != nil {
		return wrong
	}
	for _, id := range treasuryAccounts {
		if a, open := s.ledger.Account(id); !open || a.Asset != treasury.Asset {
			return fmt.Errorf("the treasury has no account %s", id)
		}
	}
	s.principals.Scan(func(name string, p Principal) bool {
		if p.Keys != owned[name] {
			wrong = fmt.Errorf("principal %s had %d keys, and %d are known", name, p.Keys, owned[name])
		}
		for _, id := range accountsOf(name, p.Role) {
			if _, open := s.ledger.Account(id); !open {
				wrong = fmt.Errorf("principal %s has no account %s", name, id)
			}
		}
		return wrong == nil
	})
	return wrong
}

// consistentDebts asks that exactly those settlements wait for money that have
// none.
func (s *state) consistentDebts() error {
	waiting := map[receivable]bool{}
	s.receivables.Scan(func(_ string, r receivable) bool {
		waiting[r] = true
		return true
	})
	var wrong error
	s.eachSettlement(func(set oracle.Settlement) {
		key := receivable{set.Market, set.Number}
		if waiting[key] != (set.ReleaseHeight == 0) {
			wrong = fmt.Errorf("settlement %s/%d waits for money: %v", set.Market, set.Number, waiting[key])
		}
		delete(waiting, key)
	})
	if wrong == nil && len(waiting) > 0 {
		wrong = fmt.Errorf("%d receivables are of no settlement", len(waiting))
	}
	return wrong
}

func (s *state) eachSettlement(yield func(oracle.Settlement)) {
	s.oracle.Markets(func(m oracle.Market) bool {
		s.oracle.Settlements(m.ID, 0, func(set oracle.Settlement) bool {
			yield(set)
			return true
		})
		return true
	})
}

// consistentHeld asks that held accounts hold what settlements wait to be released,
// neither more nor less, so that no release can bounce.
func (s *state) consistentHeld() error {
	held := map[treasury.AccountID]Amount{treasury.TreasuryHeld: {}}
	s.eachSettlement(func(set oracle.Settlement) {
		if set.ReleaseHeight != 0 && !set.Rehearsal {
			provider := treasury.ProviderHeld(set.Provider)
			held[provider] = held[provider].AddWrap(set.Net)
			held[treasury.TreasuryHeld] = held[treasury.TreasuryHeld].AddWrap(set.Fee)
		}
	})
	s.book.EachHeld(func(account treasury.AccountID, amount Amount) { held[account] = held[account].AddWrap(amount) })
	var wrong error
	s.ledger.Accounts("", func(a treasury.Account) bool {
		if balance, _ := a.Balance(); isHeld(a.ID) && balance != held[a.ID] {
			wrong = fmt.Errorf("account %s holds %v, and %v wait to be released", a.ID, balance, held[a.ID])
		}
		delete(held, a.ID)
		return wrong == nil
	})
	if wrong == nil && len(held) > 0 {
		wrong = fmt.Errorf("%d held accounts do not exist", len(held))
	}
	return wrong
}

// consistentDue asks that what waits for its time has an item in the queue, exactly
// one, and that no item is about anything else: a release without one would keep money
// held for ever.
func (s *state) consistentDue() error {
	expiries, err := s.openExpiries()
	if err != nil {
		return err
	}
	released := map[receivable]bool{}
	s.due.Scan(func(key string, item dueItem) bool {
		switch item.kind {
		case dueExpire:
			expiries--
		case dueRelease:
			at := receivable{item.id, item.number}
			if set, known := s.oracle.Settlement(item.id, item.number); !known || set.ReleaseHeight != dueHeight(key) || released[at] {
				err = fmt.Errorf("settlement %s/%d is not to be released at height %d, or twice", item.id, item.number, dueHeight(key))
			}
			released[at] = true
		case dueForget:
			if k, known := s.keys.Get(item.id); !known || k.Until > dueHeight(key) {
				err = fmt.Errorf("key %x is to be forgotten and does not end", item.id)
			}
		}
		return err == nil
	})
	if err == nil && expiries != 0 {
		err = fmt.Errorf("%d readings expire that are not open", -expiries)
	}
	s.eachSettlement(func(set oracle.Settlement) {
		if err == nil && set.ReleaseHeight != 0 && !released[receivable{set.Market, set.Number}] {
			err = fmt.Errorf("settlement %s/%d is held and never released", set.Market, set.Number)
		}
	})
	return err
}

// openExpiries counts the open readings that have an expiry. Only one that is accepted
// and waits for an earlier one may have outlived its own.
func (s *state) openExpiries() (n int, err error) {
	s.oracle.Markets(func(m oracle.Market) bool {
		s.oracle.Pending(m.ID, 0, func(r oracle.Reading) bool {
			if _, waits := s.due.Get(expiryKey(r.ExpiresHeight, r.Market, r.Number)); waits {
				n++
			} else if r.State == oracle.ReadingPending || r.ExpiresHeight > s.clock.height {
				err = fmt.Errorf("reading %s/%d is open and never expires", r.Market, r.Number)
			}
			return err == nil
		})
		return err == nil
	})
	return n, err
}
