// Package proof builds, parses and verifies the evidence that Tallyvault hands
// out: checkpoints, cosignatures, policies and receipt files. It is pure: keys
// and times come in as values, bytes come out, nothing is read or written.
//
// All formats are the ones published by C2SP (c2sp.org), so that programs which
// are not ours can check what we say. Ours are strict subsets: every text that
// this package accepts is the one text it would itself have written for the same
// meaning. The only exception is comment lines at the head of a policy.
//
// # Names
//
// A name (origin, key name, policy component) is 1 to 255 printable ASCII
// characters without space, '+' and '#'. C2SP allows more of Unicode; the
// smaller alphabet leaves no two names that look alike by whitespace, and '#'
// would begin a comment in a policy.
//
// # Checkpoint
//
// Three lines, each ended by a newline: origin, tree size in decimal, root in
// standard base64. Extension lines are refused. A size is at most [MaxSize].
//
//	a3f0c1d2e4b5968778695a4b3c2d1e0f/0-00
//	923748
//	nND/nri/U0xuHUrYSy0HtMeal2vzD9V4k/BO79C+QeI=
//
// # Signatures
//
// A key hash is the first four bytes of SHA-256(name || "\n" || algorithm ||
// public key); a verifier key (vkey) is name+hash+base64(algorithm || public
// key). The log key has algorithm 0x01 and the origin as its name; it signs the
// checkpoint's text. A cosigner's key has algorithm 0x04 (cosignature/v1) and
// signs [CosignedMessage], that is
//
//	cosignature/v1
//	time 1760000000
//	<the checkpoint's three lines>
//
// A signature line is "— name base64(key hash || signature)" and a newline; for
// a cosignature, the signature is an 8-byte big-endian time in Unix seconds and
// then the 64 bytes of Ed25519. A signed note is the checkpoint's text, an empty
// line and the signature lines: the log's first, then the cosigners' by name.
//
// # Policy
//
// A policy names one log and a committee of which k must have cosigned:
//
//	# A checkpoint counts when the log and 2 of these 3 witnesses have signed it.
//	log <vkey of the log>
//	witness node-a <vkey> https://node-a.example
//	witness node-b <vkey> https://node-b.example
//	witness node-c <vkey> https://node-c.example
//	group committee 2 node-a node-b node-c
//	quorum committee
//
// # Receipt file
//
// A tlog-proof carries a leaf, its place, the path to a root and the signed note
// over that root. The leaf is in the extra line and is what is hashed; a
// receiver needs this file and a policy, nothing else:
//
//	c2sp.org/tlog-proof@v1
//	extra <base64 of the leaf>
//	index 17
//	<base64 of one hash per line, from the leaf upwards>
//
//	<signed note>
//
// [VerifyProof] is the whole of offline verification under one policy. What it
// refuses it refuses with an [*Error] that names the part.
//
// # Policy chain
//
// The committee changes; a chain proves how, from genesis' policy on. A step has two
// receipt files (see [Step]): the decision under the note of the transition, which
// must meet the policy before it and the one after it and carry the new node's
// cosignature; and the receipt of the effect under a later note, which must meet the
// policy after it and name decision and transition. A checkpoint is judged by the new
// policy if it includes the receipt of the effect, and by the old one if not.
//
//	tallyvault-policy-chain v1
//	step 3021 3180
//	<3,021 bytes: the receipt file of the decision>
//	<3,180 bytes: the receipt file of the effect>
//
// A chain of a cluster whose committee never changed is the first line alone. Nobody
// can prove that a chain is complete: a [StaleError] says when it seems not to be.
//
// # Tree
//
// Hashing is RFC 6962: SHA-256(0x00 || leaf) and SHA-256(0x01 || left || right);
// the root of an empty tree is SHA-256 of nothing. [Edge] keeps only the roots of
// the full subtrees at the tree's right edge, which is enough to append to it
// and to know its root.
package proof
