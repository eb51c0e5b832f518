// Package treasury keeps the ledger: who holds how much of which asset, and
// how every amount got there.
//
// The package is pure: questions and postings in, rows out. It knows nothing of
// readings; the caller turns outcomes into legs.
//
// # Accounts
//
// An [Account] holds one asset and keeps two sums, everything ever debited to
// it and everything ever credited to it. Both only grow; the balance is credits
// minus debits. There are six kinds, told by the shape of their [AccountID]:
//
//	external/<asset>           the world outside
//	payer/<principal>          what a payer deposited
//	provider/<principal>       what a provider may withdraw
//	provider/<principal>/held  what a provider earned and may still lose to a dispute
//	treasury                   what the treasury may spend
//	treasury/held              fees whose settlement may still be disputed
//
// Only external accounts may be negative: what came in of an asset, and has not
// gone out, is exactly what external/<asset> is short of.
//
// # Legs
//
// A [Leg] debits one account and credits another with the same amount, never
// zero. Legs are posted all or none ([Ledger.Check], [Ledger.Post]), and judged
// in order with running balances: what an earlier leg brings in, a later one
// may take out. The first leg that cannot be posted gives the answer:
//
//	more than 64 legs               LimitExceeded      legs
//	amount above zero               InvalidTarget      zero_amount
//	two different accounts          InvalidTarget      same_account
//	both exist                      InvalidTarget      unknown_account
//	both of one asset               InvalidTarget      other_asset
//	the balance suffices            InsufficientFunds  account, balance, needed
//	sums stay below 2^96            LimitExceeded      account_sum
//
// Post panics where Check refuses: the caller asks first and then changes its
// whole state without a way out in the middle.
//
// # Laws
//
// For every asset, debits and credits over all accounts are equal after every
// posting ([Ledger.Conserved] walks the ledger to see it). As sums stay below
// 2^96 and accounts are at most 2^20, no total can overflow 128 bits.
//
// Nothing posted is ever edited or deleted. A mistake is corrected by a
// compensating transfer, another posting the other way round, so that the sums
// tell that both happened.
//
// Money that is owed but may still be disputed is moved in two phases: first
// from the payer into held accounts, where nobody can spend it, then, by a
// second posting, from there to its owner or back. There are no reservations
// besides: a held amount is an ordinary balance of an ordinary account, under
// the same laws.
//
// # Example
//
// A payer deposits 1,000. A settlement of gross 30 with a fee of 1 is held, and
// released when its dispute window is over:
//
//	deposit  external/BLOCK -> payer/grid          1,000
//	hold     payer/grid -> provider/sun/held          29
//	         payer/grid -> treasury/held               1
//	release  provider/sun/held -> provider/sun        29
//	         treasury/held -> treasury                 1
//
// Afterwards:
//
//	account            debits  credits  balance
//	external/BLOCK      1,000        0   -1,000
//	payer/grid             30    1,000      970
//	provider/sun            0       29       29
//	provider/sun/held      29       29        0
//	treasury                0        1        1
//	treasury/held           1        1        0
//	sum                 1,060    1,060        0
//
// # Image
//
// [Ledger.Image] writes one row per account in order of id: the tag 1, id and
// asset each behind one byte of length, debits and credits as 16 bytes each,
// big-endian. [Ledger.Load] is its strict inverse.
package treasury
