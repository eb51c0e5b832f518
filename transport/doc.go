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
// consistency= says how fresh a read is: stale (what this node has), default
// (what the leader had applied when asked), linearizable (after the leader has
// asked a majority whether it still is one). min_index= waits for an entry.
// Every answer says its index, the last entry it takes into account.
//
// # Documents
//
// A node describes itself: /openapi.json is made from the routes and their Go
// types, /v1/schemas lists JSON Schemas of all payloads, receipts and bodies (see
// package schema), each of which stands alone at /v1/schemas/{name}.
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
