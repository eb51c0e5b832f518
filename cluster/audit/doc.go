// Package audit runs the state machine again from what a journal says went in, and
// compares everything that comes out with what the journal says came out.
//
// # What is read
//
// Only leaves: each entry's header and command frames are its input, and its
// receipts are what re-running it must produce. Together with the genesis file they
// determine the state, so that an audit needs no node and trusts none. Signatures
// are verified in parallel, ahead of the one goroutine that applies entries.
//
// An entry that all nodes refused left one leaf with its hash; the bytes are not
// in the journal, so that the leaf is taken as it is.
//
// # What is compared
//
//   - every leaf that re-running produces with the one recorded, byte by byte; cut
//     receipts among them carry roots, the chain over all outcomes and state digests;
//   - every recorded leaf with the hash that the journal's tree has for it, when the
//     journal is read from a directory;
//   - the root at the checkpoint's size with a checkpoint note, which must meet the
//     policy in genesis;
//   - all debits with all credits;
//   - every account with [Books] that are kept from the receipts alone: gross, rounded
//     fee and net of each settlement, none held or released twice, the steps and the
//     transfers of each disbursement and withdrawal, rollbacks and reservations among
//     them, nobody short but the world outside.
//
// The first leaf that disagrees is named and ends the audit: what follows rests on
// it. Who alters a leaf and everything that is computed from it in one copy of a
// journal still cannot make the root that k nodes have cosigned; then the first
// thing to disagree is the next cut or the checkpoint.
//
// Opening a journal directory for an audit changes nothing in it, and it may belong
// to a node that is running.
package audit
