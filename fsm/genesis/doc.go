// Package genesis defines how a committee of people who do not fully trust each
// other starts a cluster: node statements, the genesis file, what it means in
// words, and the key of the journal sealed to every node.
//
// # From machines to a cluster
//
//  1. Each operator makes a node statement (node.json) on her own machine: the
//     node's name, its three public keys and its addresses, signed by the node
//     key and by the cosigner key.
//  2. One of them assembles statements, principals, weights, thresholds and
//     market rows into a genesis payload.
//  3. Each operator reads it in words, compares the short hash aloud, and signs
//     the payload with her node key.
//
// The genesis file is a DSSE envelope of payload type PayloadType. It counts
// only when every node has signed. The cluster's name is the first 16 bytes of
// SHA-256(payload), in hex; the journal's origin is "<cluster>/0".
//
// # Thresholds
//
// With n nodes of which f may lie (default floor((n-1)/3)), a checkpoint needs
// k = floor((n+f)/2)+1 cosignatures: any two sets of k nodes then share at
// least f+1, so at least one honest node. n=3 gives f=0, k=2; n=5 gives f=1,
// k=4; n=7 gives f=2, k=5.
//
// # The log key
//
// The journal's checkpoints carry one more signature, by a key that every node
// holds. It only keeps strangers from bothering witnesses; the trust is in the
// k cosignatures. It is made when genesis is assembled and sealed to each
// node's X25519 key with HPKE (RFC 9180, DHKEM(X25519, HKDF-SHA256),
// HKDF-SHA256, ChaCha20-Poly1305), info "tallyvault log key v1". A node that replaces
// another gets it the same way, from a node that holds it, inside the replace_node
// command; that command carries the new node's statement too (NodeStatement).
package genesis
