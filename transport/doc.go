// Package transport is the door of a node: its HTTP API and the listener for
// its operator. It holds no rules. It bounds what comes in, turns JSON into
// commands, asks package cluster, and words the answers.
//
// # Writing
//
// A command is a DSSE envelope; POST /v1/commands answers once the command has
// been applied or refused at the leader:
//
//	200  applied and accepted; the body is the outcome
//	4xx  refused; a problem document. logged true: a replicated refusal, with the
//	     outcome in it; logged false: nothing was consumed
//	429  too many from this address or key; nothing was logged
//	503  no leader, or too much to do; nothing was logged
//	504  not known whether it was logged; send the same bytes again
//
// POST /v1/commands:batch takes one envelope a line and answers one line each,
// in order, with status 200 whatever the lines say. A command's outcome is found
// again at /v1/commands/{id} by anybody who knows its identity, which is a hash
// of what was signed.
//
// # Checks at the door
//
// In this order: size; parse; cluster and era; then the address's budget for
// signature checks. Everything else is asked at the leader, whose state is the
// newest: a node that lags must not refuse a key that was registered a moment
// ago, nor call a nonce replayed whose outcome it does not know yet.
//
// # Reading
//
// Reads of state take a token (see api.SignToken) unless the node is configured
// with public reads; a function that needs one has a Reader among its arguments.
// Public are: outcomes by identity, hash tiles, checkpoint, policy, genesis, the
// list of nodes, receipts and their proofs, the documents. Leaves that hold commands take a
// token, since a command may be personal data.
//
// What looks at more than it answers with, such as a provider's statement, draws from
// the address's budget for signature checks as much as it costs, also where reads are
// public.
//
// consistency= says how fresh a read is: stale (what this node has), default
// (what the leader had applied when asked), linearizable (after the leader has
// asked a majority whether it still is one). min_index= waits for an entry.
// Every answer says its index, the last entry it takes into account.
//
// # Events
//
// GET /v1/events tells what the journal holds, in its order, as server-sent events.
// An event's id is the number of its leaf, which is the same on every node, so that
// a reader who was cut off, or whose node has died, goes on at any node and misses
// nothing. A leaf gives one event at most:
//
//	a command      reading_accepted, or outcome
//	a receipt      reading_closed (baseline, superseded), reading_rejected (rejected,
//	               quorum_failed), or the receipt's own kind: settlement, release,
//	               threshold, evidence, disbursement, withdrawal, pause, cut, policy
//	anything else  undecodable; headers of entries are no events
//
// An outcome that consumed nothing is no event: it does not stand for its command.
// checkpoint is no leaf's; it says below which size everything is final, and comes
// after all events below it. A stream tells the newest one when it has come that
// far, and leaves out what became final before; who replays history finds the cuts.
// The last event, end, has a reason: shutdown, token_expired, key_ended, behind (the
// reader is ahead of this node for too long), unavailable.
//
// A stream has no queue. It reads the journal at the reader's pace, and what it
// reads next depends on the last id alone: nothing is in memory only, a slow reader
// costs a place and nothing else, and one who does not read at all loses the place.
// Streams look at leaves in turns, on half the processors, so that readers of history
// and filters that let little pass leave the rest to the committee.
//
// # Documents
//
// A node describes itself: /openapi.json is made from the routes and their Go
// types, /v1/schemas lists JSON Schemas of all payloads, receipts and bodies (see
// package schema), each of which stands alone at /v1/schemas/{name}, and
// /reference is a page for people that is drawn from both (see package reference).
//
// # Trust in TLS
//
// A node's API certificate is its operator's or self-made. In both cases the
// node key signs the pin of the certificate's key, and /v1/nodes serves that
// statement for the answering node only: a client asks each node that it talks
// to, and needs no node's word for another. The alternative, nodes collecting
// each other's pins, would spread a statement faster than its renewal and make
// one node's answer depend on its peers.
//
// # Problems
//
// Every error is an RFC 9457 document made by one function from fsm's one table
// of codes; statusOf lists the HTTP status of each code.
package transport
