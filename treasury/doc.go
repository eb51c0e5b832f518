// Package treasury keeps the ledger, who holds how much of which asset and how
// every amount got there, and the book of the governed treasury: how the committee
// decides what it pays, and what became of it.
//
// The package is pure: questions and postings in, rows out. It knows nothing of
// readings, keys or signatures; the caller turns outcomes into legs, and says who
// asks. Every operation of a [Book] refuses first, with questions only, and then
// changes state with no way out.
//
// # Accounts
//
// An [Account] holds one asset and keeps two sums, everything ever debited to
// it and everything ever credited to it. Both only grow; the balance is credits
// minus debits. They are told by the shape of their [AccountID]:
//
//	external/<asset>           the world outside
//	payer/<principal>          what a payer deposited
//	provider/<principal>       what a provider may withdraw
//	payee/<name>               what somebody outside was paid; it leaves at once
//	<any of these three>/held  what its owner got and may still lose: to a dispute of
//	                           a settlement, or to the rollback of a disbursement
//	treasury                   what the treasury may still promise
//	treasury/held              fees whose settlement may still be disputed
//	treasury/reserved          what is promised to disbursements
//	leaving                    withdrawals that have not been paid out yet
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
//	below 2^80 are in               LimitExceeded      money
//	sums stay below 2^128           LimitExceeded      account_sum
//
// Post panics where Check refuses: the caller asks first and then changes its
// whole state without a way out in the middle.
//
// # Laws
//
// For every asset, debits and credits over all accounts are equal after every
// posting ([Ledger.Conserved] walks the ledger to see it). Less than 2^80 of an asset
// can be in at a time, so it takes 2^48 postings of all there is until a sum is at its
// limit. That is why what must not fail, a release or a refund, is posted without a
// question: nobody can move money to and fro so often that it would.
//
// Nothing posted is ever edited or deleted. A mistake is corrected by a
// compensating transfer, another posting the other way round, so that the sums
// tell that both happened.
//
// Money that is owed but may still be disputed is moved in two phases: first
// from the payer into held accounts, where nobody can spend it, then, by a
// second posting, from there to its owner or back. A reservation of the treasury is
// the same: what is held, reserved or leaving is an ordinary balance of an ordinary
// account, under the same laws.
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
// # A disbursement
//
// A [Disbursement] is one payment out of the treasury. Its id is the identity of the
// command that proposes it; its content is the hash of its [Body], which votes name
// and execution looks at again. This is its life; what is in brackets is what causes
// the step, and "time" is the executor, [Book.Tick]:
//
//	                 propose
//	                    |
//	                  draft ---------------- cancel (proposer), veto --> cancelled
//	                    |  \--------------- grace over, unopened ------> expired
//	                    | open: houses and terms are frozen
//	                  voting --------------- veto ---------------------> cancelled
//	                    |  \--------------- a floor is not reached ----> rejected
//	                    |   \-------------- StaleDependency, CircularDependency,
//	                    |                    ExecutionFailed (graph) ---> cancelled
//	                    | every floor is reached (time: at the deadline, or as soon as
//	                    | no vote can change it)
//	           /---- queued ---------------- veto, StaleDependency -----> cancelled
//	InsufficientFunds   |  \--------------- grace over ----------------> expired
//	tried when money    |
//	is free, oldest  <--/ reserved, and every dependency finalized (time)
//	first               |
//	           /--- timelocked ------------- veto ----------------------> cancelled
//	InvalidTarget,      |  \--------------- grace over ----------------> expired
//	ExecutionFailed:    |
//	tried again      <--/ timelock over, epoch reached, caps allow, two people
//	                    | confirmed, the destination can take it (time, or execute)
//	                 executed -------------- rollback (threshold) ------> rolled_back
//	                    |
//	                    | rollback window over (time)
//	                finalized
//
// A principal proposes at most 1,024 in an epoch. A draft can be amended by its proposer
// and keeps its id. Whoever ends otherwise
// than finalized gives its reservation back and cancels, one after another in the
// order of their proposals, those that depend on it and are voting or queued. A draft
// that depends on it stays, but cannot be opened until it is amended.
//
// # Votes
//
// A [House] is a table of weights. Opening freezes the houses and the terms: the
// stricter, in every respect, of what the body asks for and what the [Bracket] of
// its amount demands now. A principal has one vote, for ever, which counts in every
// house that the terms name and of which it was a member at the opening. A house is
// for it when its approving weight reaches the floor, in millionths of its whole
// weight, always more than half; a house without weight passes nothing. The vote ends
// before its deadline as soon as every house is for it, or one cannot be any more. A
// vote at or after the deadline is late, whether or not it has been counted.
//
// # Dependencies
//
// A body names at most 100 disbursements that must be finalized before its own
// timelock starts. They may be named before they are proposed. At the end of its vote
// all that it depends on, directly and indirectly, and that has not ended, is looked
// at: a cycle, itself included, cancels it with CircularDependency and the cycle's ids,
// beginning with the smallest; a chain of more than 32, more than 1,024 disbursements or
// 8,192 dependencies cancel it with ExecutionFailed. One that is missing, or a draft, is
// waited for until grace is over; while every one is at least voting, grace begins
// anew, since these come to an end of their own.
//
// # Time
//
// Windows count the treasury height, which stands still while the treasury is paused.
// n epochs are n x EpochBlocks of it, from the transition that starts them. Schedules
// and caps go by the cluster's epochs, which are dates; a scheduled epoch and a pause
// can only delay. A live disbursement has one timer, [Disbursement.Due]; timers lie in a
// queue by (treasury height, status, sequence). One Tick does a bounded amount of work,
// and the caller comes back until [Book.DueNow] says no. Errands (dependents to cancel
// or to wake) come first, then timers, then the sweep that offers free money to those
// that wait for it. One that fails is tried again after 2, 4, 8 ... at most 4,096
// heights, and once more when its grace ends; so it delays no other.
//
// # Errors
//
// A [Failure] stays on the disbursement with its attempts, first and last time and
// next try; [Failure.Remedy] says who must act and what to do.
//
//	code                detail            raised             next                          who acts
//	InsufficientFunds   treasury_free     queued             when money is free            admins (deposit)
//	InvalidTarget       unknown_account   timelock over      tried again, then expired     admins (register)
//	InvalidTarget       other_asset       timelock over      tried again, then expired     proposer
//	StaleDependency     ended_otherwise   voting, queued     cancelled                     proposer
//	CircularDependency  cycle             end of the vote    cancelled                     proposer
//	ExecutionFailed     epoch_cap         timelock over      in the next epoch             nobody
//	ExecutionFailed     destination_cap   timelock over      in the next epoch             nobody
//	ExecutionFailed     above_cap         timelock over      tried again, then expired     admins (set_treasury)
//	ExecutionFailed     four_eyes         timelock over      when two people confirmed     admins (execute)
//	ExecutionFailed     content           timelock over      expired                       admins (veto)
//	ExecutionFailed     ledger_limit      timelock, window   tried again, then expired     admins (veto)
//	ExecutionFailed     dependency_depth  end of the vote    cancelled                     proposer
//	ExecutionFailed     dependency_graph  end of the vote    cancelled                     proposer
//
// # Controls
//
// Caps bound what is executed in one epoch, in all and to one destination; a rollback
// gives nothing back to them. Above the amount for four eyes, two people other than the
// proposer must each have asked for the execution. A pause of scope treasury stops time
// for all disbursements; scope all stops withdrawals and payouts too. Paused, one can
// still propose, vote, veto, cancel and roll back.
//
// # Identities
//
// At every height, and [Book.Balanced] asks for it after every Apply:
//
//	initial + accrued - executed + compensated = current = treasury + treasury/reserved
//	reserved + free = current
//	leaving = the amounts of all withdrawals that are not paid or recalled
//
// Initial is zero, since genesis brings no money. [Book.Accrue] tells the book of money
// that others put into the treasury's account.
//
// # Withdrawals
//
// An owner's [Book.Withdraw] moves money into the account leaving; what a payee is paid
// moves there when its disbursement is finalized, under the disbursement's id. From there
//
//	requested -- payout, with a reference --> sent -- paid --> paid: it goes to external
//	    ^                                      | \-- unknown --> unknown -- paid, failed
//	    | payout, with another reference       v
//	    +------------------------------------ failed
//	requested, failed -- recalled by its owner --> recalled
//
// A reference counts once for ever. While nobody knows how a payment ended, it can be
// neither paid again nor recalled. A withdrawal that is recalled before anybody sent it
// is forgotten; all others stay in the book.
//
// # Example: a disbursement
//
// Epochs of 10 heights, windows of one epoch, a treasury of 1,000, three operators of
// equal weight, a floor of 600,000:
//
//	height  0  ann proposes 300 to provider/sun, opens it, votes for it   voting
//	           ben votes for it: 2 of 3 are beyond the floor              queued
//	           treasury -> treasury/reserved 300                          timelocked until 10
//	height 10  treasury/reserved -> provider/sun/held 300                 executed
//	height 20  provider/sun/held -> provider/sun 300                      finalized
//
// Had the committee rolled it back at height 19, provider/sun/held -> treasury 300 would
// have made current = 1,000 - 300 + 300, and whatever depended on it would be cancelled.
//
// # What others build on
//
// Every operation returns its effects as data: a [Step] for each thing that happened to
// a disbursement, a [Moved] for a withdrawal, each with the legs that were posted. Steps
// of one disbursement are counted, so that a receipt of each can be found again. Reading
// is [Book.Get], [Book.List], [Book.Waits], [Book.Earliest], [Book.Ballots], [Book.Dependents],
// [Book.Balance], [Book.History], [Book.Health], [Book.Count] and [Book.Withdrawals].
//
// # Image
//
// [Ledger.Image] writes one row per account in order of id: the tag 1, id and
// asset each behind one byte of length, debits and credits as 16 bytes each,
// big-endian. [Ledger.Load] is its strict inverse.
//
// [Book.Image] writes the scalars, rolls, disbursements, votes, errands, spent caps,
// withdrawals, references and flows. A content is SHA-256 over the line "tallyvault
// disbursement v1" and the body as it stands in a row: texts behind two bytes of
// length, lists behind two bytes of count, integers and amounts big-endian in 8 and 16
// bytes, ids as they are: title, summary, destination, payee, amount, memo, deps,
// scheduled epoch, expected receipts (account, amount), quorum (house, ppm in 4 bytes),
// and the windows of vote, timelock and rollback.
package treasury
