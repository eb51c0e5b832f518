// Package client talks to a Tallyvault cluster over the HTTP API of its nodes.
//
// # Whom it trusts
//
// With a genesis, a node's API certificate counts if the node says so with its
// node key: the first connection to a URL asks for /v1/nodes, checks the signed
// pins found there against the genesis, and demands of every later connection,
// before a byte of a request is sent, that it shows a pinned key. A certificate
// that does not match makes the client ask for the pins anew, once. With a CA
// pool instead, certificates are verified as browsers do it.
//
// Nothing else in an answer is believed because of TLS: what matters can be
// verified offline with a receipt's proof and a policy.
//
// # Sending
//
// [Client.Submit] sends the same bytes to one node after the other until one
// knows the outcome or ctx ends; a node that is silent for [Config].Patience is not
// waited for, the next one gets the same bytes beside it. That is safe, since a
// command takes effect once, whoever brings it how often. When ctx ends before
// that, the error wraps [ErrUnknown] if any node may have got the command: only
// the same bytes may then be sent again.
//
// # Following
//
// [Client.Follow] yields what the journal holds from any position on, and which part
// of it is final, through restarts of nodes and changes of the leader. A position is
// the number of a journal leaf, which means the same to every node.
//
// # Time
//
// Tokens and commands carry the time, and a device's clock may be wrong. A refusal
// for the sake of time tells the cluster's; [Client.Now] goes by it from then on. It
// is the word of a node that TLS vouches for: one that lies can make commands late,
// and nothing else. A clock that is behind must not keep a device from hearing that, so
// pins from the future count; pins that have ended do not, and a device whose clock is
// a week ahead has to be told the time by somebody else.
//
// # Evidence
//
// [Evidence.Verify] judges a receipt's proof file by genesis and the chain of the
// committee's changes, without a network and without believing any node.
//
// # Gateways
//
// Package outbox keeps measurements on disk until they are paid for.
//
// # Refusals
//
// A refusal is a *[Refused]. If it is Logged, it is replicated and its nonce is
// consumed; if not, a door said no and nothing was consumed.
package client
