// Package nodedir is the directory of one node on its operator's machine:
//
//	keys/node.key      signs genesis, clock statements, transport certificates
//	keys/cosigner.key  signs checkpoints, nothing else
//	keys/sealing.key   opens the log key, which genesis holds sealed
//	node.json          the public statement, for whoever assembles the genesis
//	genesis.json       the genesis this node belongs to, from the first start on
//	data/              what the cluster keeps: Raft's log, snapshots, the journal
//	tls/               the API certificate, if the node made it itself
//
// The private keys never leave the directory, and [Init] never overwrites one.
// [Dir.Adopt] decides which genesis a start may go on with: the directory's own,
// for ever, once there is one.
package nodedir
