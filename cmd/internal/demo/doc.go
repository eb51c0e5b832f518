// Package demo runs a whole committee in one process and shows what it is for:
// three real nodes with data directories, TLS and Raft of their own on loopback
// ports, three oracle agents, providers whose meters are read, payers who pay.
//
// The story, each part in its own file:
//
//	committee  keys, genesis, three nodes and their APIs
//	meters     believable households and PV plants from a seed, or a file
//	setup      principals, meters and deposits by threshold commands
//	feed       providers submit readings; agents attest; money settles
//	treasury   payments decided by vote: one that waits for another, one voted down,
//	           one vetoed, one rolled back
//	mischief   forged, replayed, foreign, skewed, implausible: each refused
//	evidence   every receipt as a proof file, verified by a child process
//	           that has files and no network
//	finish     state digests compared, the journal audited from genesis
//
// What is left in the directory can be examined afterwards: genesis.json, keys,
// the nodes' data, policy, checkpoint and receipts/*.tlog-proof.
package demo
