// Package cosign holds what a node remembers about checkpoints outside Raft and
// outside snapshots: the last one it signed, the newest one it published, and the
// contradictions it has seen.
//
// # Last signed
//
// [Signer] keeps (origin, size, root) of the last signature in a small file that
// is on disk before the signature leaves the node. It never signs a smaller size,
// never another root for the same size, and a larger size only with a proof, from
// the node's own journal, that the larger tree begins with the one signed before.
// So neither a restored snapshot, nor an old backup of Raft's log, nor a bug in the
// state machine makes the node say two different things. The same checkpoint may
// be signed again, which a crash between file and answer makes necessary.
//
// The file is made together with the data directory. When it is missing later the
// node refuses to start, because a node that forgot what it signed might
// contradict itself.
//
//	{"origin":"<origin>","size":"923748","root":"<hex>","sum":"<hex>"}
//
// The sum is the SHA-256 of the lines "tallyvault signed 1", origin, size and root. A
// damaged file is no better than a missing one.
//
// # Published
//
// [Publication] keeps the newest checkpoint note that meets the policy, in memory
// and in a file that is replaced atomically. It only moves forward; a note of the
// same size and root replaces another when it carries more cosignatures.
//
// # Evidence
//
// A valid cosignature over another root at the same size proves that its node
// computed, or pretends to have computed, another history. [Evidence] keeps both
// checkpoints in a file. As soon as a checkpoint of that size or a larger one meets
// the policy, the file gets it, with the proof that its tree begins with what the
// finder computed: from then on anybody who has the policy can verify it
// ([Evidence.Prove], tallyvault evidence verify) without believing the finder. An
// [Archive] keeps up to eight files about one node.
package cosign
