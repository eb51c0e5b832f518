// Package nodedir is the directory of one node on its operator's machine:
//
//	keys/node.key      signs genesis, clock statements, transport certificates
//	keys/cosigner.key  signs checkpoints, nothing else
//	keys/sealing.key   opens the log key, which genesis holds sealed
//	node.json          the public statement, for whoever assembles the genesis
//	genesis.json       the genesis this node belongs to, from the first start on
//	join.json     the replace_node command that let the node in, if genesis did not
//	cluster.json, raft/, journal/ and more: what package cluster keeps
//	api.key, api.crt   the API certificate, if the node made it itself
//
// The private keys never leave the directory, and [Init] never overwrites one.
// [Dir.Adopt] decides which genesis a start may go on with: the directory's own,
// for ever, once there is one.
package nodedir
