// Package peer is the one port on which the nodes of a committee talk to each
// other: Raft's streams and the calls from node to node share it.
//
// # Who gets in
//
// Both sides of every connection show a certificate that they made in memory
// from their node key, and both look at nothing in it but the Ed25519 public
// key. The listening side accepts the keys of the members it was given, the
// dialling side only the key of the member it meant to reach. Names, issuers and
// validity times are not looked at: a pinned key says more than any of them, and
// a node with a wrong clock must still be able to talk to its peers, since they
// are the ones who correct it. TLS is 1.3 or nothing, and sessions are never
// resumed, so each connection proves possession of the key anew.
//
// The server name of the handshake is the cluster's id. A node key that serves in
// two clusters (a restored copy, a rehearsal) therefore does not let them mix:
// the Raft protocol carries no cluster id of its own.
//
// Former members get in too, but only for calls: a replaced node that comes back
// asks what became of it. What they may ask is the server's to decide.
//
// # What is spoken
//
// ALPN decides: "tallyvault-raft/1" is a stream for Raft's transport,
// "tallyvault-peer/1" is HTTP/1.1 between nodes. Anything else is refused, and
// Raft's streams are until [Port.Raft] is called. To Raft the address of a server is
// its name, which [Port.Raft] resolves to address and key at each dial; so a node
// that moves needs no change of Raft's configuration.
//
// # Limits
//
// A connection has [HandshakeTimeout] to prove itself; at most [MaxHandshakes] try
// at once, and when one more comes, the oldest of them makes room for it; all that are
// admitted are at most [MaxConnections], and those of one member at most
// [MaxPerMember]. What is over a limit or unknown is closed and counted by reason. A stream that was admitted has no read deadline of its own,
// because Raft keeps idle connections for the moment of an election; TCP's
// keep-alive ends the dead ones.
package peer
