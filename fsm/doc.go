// Package fsm is the replicated state machine: bytes in, state and result out.
// Whoever holds the genesis file and the entries computes the same state,
// receipts and roots. Nothing here reads a clock, a random source, a file or
// the network, and nothing runs beside the caller.
//
// # An entry
//
// One Raft log entry is a header and a batch of commands:
//
//	version u8 (1) | number u64 | at u64
//	statements u8  x (node u8, at u64, signature 64)
//	cut u8 (0 or 1)
//	cosignatures u8, when not 0: cut u64, x (node u8, time u64, signature 64)
//	commands u16   x (length u16, frame)
//
// Integers are big-endian. A frame is tag u16, signatures u8, x (key id 16,
// signature 64), payload. Number is one above the last entry's. A node is its seat
// (see The committee). Statements and cosignatures are in order of seat and come
// from a majority, and from k nodes.
// An entry that does not decode, exceeds its budget, has the wrong number or
// carries a bad statement or cosignature changes nothing, leaves one leaf
// (0x03, why u8, length u32, SHA-256) and raises the alarm.
//
// # The commands
//
//	tag  name                  signatures  scope           who
//	  1  submit_reading        one         submit_reading  provider
//	  2  attest                one         attest          oracle
//	  3  rotate_key            one         own keys        every role
//	  4  revoke_key            one         own keys        every role
//	  5  propose               one         propose         admin
//	  6  amend                 one         propose         its proposer
//	  7  open                  one         propose         its proposer
//	  8  cancel                one         propose         its proposer
//	  9  vote                  one         vote            admin, oracle: whoever is in a house
//	 10  queue                 one         queue           admin
//	 11  execute               one         execute         admin
//	 12  veto                  one         veto            admin
//	 13  pause                 one         pause           admin
//	 14  withdraw              one         withdraw        provider, payer: own money
//	 15  cancel_withdrawal     one         withdraw        its owner
//	100  register_principal    threshold   threshold       admins
//	101  register_key          threshold   threshold       admins
//	102  revoke_principal_key  threshold   threshold       admins
//	103  register_meters       threshold   threshold       admins
//	104  rebase_meter          threshold   threshold       admins
//	105  set_oracle_weight     threshold   threshold       admins
//	106  set_market            threshold   threshold       admins
//	107  deposit               threshold   threshold       admins
//	108  replace_node          threshold   threshold       admins
//	109  cancel_replacement    threshold   threshold       admins
//	110  rollback              threshold   threshold       admins
//	111  unpause               threshold   threshold       admins
//	112  set_house             threshold   threshold       admins
//	113  set_treasury          threshold   threshold       admins
//	114  payout                threshold   threshold       admins
//	115  record_payout         threshold   threshold       admins
//
// The table is append-only. A command's payload type is
// application/vnd.tallyvault.<name>.v1+json; its payload is one strict JSON
// object (package strict): the header's members, then the body's.
//
// # The order of checks
//
// parse, keys known, signer named rightly, signatures, keys live, cluster and
// era, expiry, lane, nonce; for threshold commands: not judged before, enough
// distinct admins. Up to here nothing is consumed. Then the nonce is consumed,
// also by a refusal, and scope and the rule itself are checked. Nonces rise
// strictly per (key, lane) by at most 2^20. Lanes are "0" to "15" and, for a
// provider's keys, "m/<meter>" of each of its meters. A threshold command has a
// salt instead, and its identity, once it came before its rule, is remembered
// until it expires, whatever the rule said: what people were told was refused
// cannot be made to happen later by whoever kept the file.
//
// An outcome stands for its identity once something was consumed. Whatever was
// logged before that, by a leader that lies or for want of a signature, is an
// outcome too but takes nobody's identity away ([Outcome].Unconsumed).
//
// An identity is of the payload alone. Two signers who say the same on the same
// lane in the same millisecond share one, so a header may name its signer; then
// nobody else's signature counts. Programs always should.
//
// # Keys
//
// A key is live in a range of heights and is never forgotten. An own rotation
// gives the new key the old one's scopes; a key that is ending already cannot
// rotate, nor revoke another. A key revokes itself and those of its principal
// that may do no more than it. A principal rotates until it has had 4,096 keys;
// then the committee registers them. The lanes of an ended key are forgotten
// from the height on at which it ends.
//
// # Time
//
// A tick carries signed clock statements of a majority; M is their lower
// median, and now = max(now, clamp(entry.at, M, M + allowance)). The height
// counts whole block intervals of what now gained since the last entry, at most
// 15 s of it, so that an outage spends nobody's window. All windows count
// heights; only skew, reading age and expires_at use now.
//
// One liar among three cannot move M beyond the honest two when all three state
// their clocks; when the leader gathers only two, the liar can hold it back, but
// not push it ahead.
//
// What time causes lies in two queues, one by height and the treasury's by its own
// height, and one Apply takes at most 500 items, of which the treasury's may be half
// before the others come. Whatever a rule compares is a height, never a place in that queue: a
// vote in the very entry that reaches a reading's expiry is late.
//
// # The committee
//
// Every node has a seat: genesis' nodes have 0 to n-1 in order, each later one the
// next, and none is given twice. A member is joining, active or retired, in this
// order, and never goes back. Exactly n are active, and only they count: for
// statements, of which every entry has them alone, a majority; for cosignatures, k.
//
// replace_node seats a new node in the place of an active one. It carries the new
// node's signed statement, whose two signatures every replica verifies, and the log
// key, sealed to it. Name and keys must never have been anybody's; addresses must be
// no other active node's. One change is pending at a time; another replace_node for
// the same old node supersedes it, cancel_replacement gives it up, and either
// retires the joining node, so its name and keys are spent.
//
// A change takes effect with the first tick whose header carries, for a cut that
// includes the receipt of the decision, good cosignatures of k of the committee
// before, of k of the committee after, and of the new node. It must be a tick, since
// a leader has one in flight at a time: the clocks of the next one are asked when
// everybody knows who is active. Until then a cut is always wanted.
//
// Each of these steps leaves a policy receipt: which change (counted from 1), where
// it stands, the hashes of the policy before it and of the one that it leads to, and
// that one in full. The receipt of the effect also names the cut. A checkpoint is
// judged by the state at its size: by the new policy if it includes the receipt of
// the effect, and by the old one if not. So the cut that a tick marks which brings a
// change into effect is still the old committee's.
//
// A header may carry cosignatures of nodes that do not count. They must verify, and
// show that the node has been at work (Member.Seen), but add nothing to k: so it
// does no harm when a node's standing changes while its cosignature travels. All
// cosignatures are held to the narrower rule of package signature, by which programs
// that are not ours judge them.
//
// # The treasury
//
// Its rules are package treasury's; this package says who may ask, moves nothing by
// itself, and writes a receipt of every step: what a command did, and what time did.
// A disbursement is named by the identity of the command that proposed it, a
// withdrawal by that of the command that asked for it; receipts are found by that id
// (RefDisbursement, RefWithdrawal). The treasury height advances with the height
// while nothing is paused. Rules and houses are genesis', or its profile's when it
// says nothing: a house of all admins, each of weight one. In profile production no
// window may be under a day unless genesis says so.
//
// An alarm pauses scope all, and while there is one nothing can be unpaused. After
// every Apply the treasury's identities are asked for; the first that does not hold
// raises the alarm.
//
// # What the rules do not leave to others
//
// A payer that never pays cannot fill the state: once 2^18 settlements wait for
// money, readings of meters whose payer owes any are refused. Whatever brings a payer
// money, a deposit, a withdrawal taken back or a disbursement of the treasury, lets
// its settlements go on. Deposits go into
// accounts that somebody can spend from, never into held ones; their reference is
// text that people can read as it is. Who owes settlements withdraws nothing. A base
// is not set in the future, which would close its meter until then. A row does not
// shorten the windows that the profile promised. A market that is new begins at once,
// whatever its activation epoch says. Strings that somebody signed are quoted in
// outcomes with at most 128 bytes.
//
// A restored state is one that a history leads to: its rows are in order and
// have the digest that its header names, its tables agree, its money is all
// there, and held accounts hold exactly what waits to be released. The owed
// digest beside it is not proven by that; whoever takes a snapshot from others
// takes one of a frozen cut, which owes none.
//
// # The journal
//
// Every entry appends leaves: its header behind 0x01, each frame behind 0x02,
// then receipts, JSON that begins with '{'. The state keeps the tree's right
// edge, so the root is state. A cut marks the size and root just before its
// entry's own leaves; every node cosigns it. Its receipt states them with the
// chain over all outcomes:
//
//	chain = SHA-256(previous | record)
//	record = identity 32 | type u16 | ordinal u64 | entry u64 | leaf u64 | height u64 |
//	         at u64 | unconsumed u8 | code u16 | fields | leaves of its receipts
//
// A count u16 stands before the fields and the leaves, u64 each, a length u16 before
// each name and value. The fields of MalformedPayload are left out: they are a
// parser's words.
//
// The chain includes the outcomes of the cut's own entry, size and root do not.
// The state just before the first cut of an epoch is frozen, and the one before the
// first cut beyond each multiple of 2^18 leaves, unless the digest of an earlier one
// is still owed; its digest stands in the receipt of the second cut after it.
//
// # Worked example
//
// A provider submits register 1,500 for a meter whose base is 1,000 with three
// decimals at 25 minor units a kWh and a fee of 1 %: the entry has one command;
// its outcome is accepted with number 7. Two of three oracles attest to range
// 7-7: the second attestation's entry also emits a settlement receipt, gross
// floor(500 x 25 / 1,000) = 12 with remainder 500, fee 0, net 12, and moves 12
// from payer/<payer> to provider/<provider>/held. dispute_window_blocks later a
// release receipt moves it to provider/<provider>.
package fsm
