// Package keytext is the text of a key file: one private key, or one public key.
//
// A private key file is text, so that a person can read what it is, copy it by
// hand in an emergency and compare two of them with diff:
//
//	tallyvault-key v1 ed25519
//	# alice, key id 6a3803d5f059902a1c6dafbc9ba47292
//	id 6a3803d5f059902a1c6dafbc9ba47292
//	public 8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394
//	seed 0202020202020202020202020202020202020202020202020202020202020202
//
// The first line names format, version and kind. Lines that begin with # are
// for people and are not read. The three fields stand in this order, each
// once, in lower-case hex; whatever else is in the file makes it damaged. The
// key id is the first 16 bytes of SHA-256(public key). Id and public key follow
// from the seed, and a file in which they do not is refused: that is how a
// flipped bit in any field is found.
//
// Kinds: ed25519 signs (the seed is RFC 8032's 32-byte private key); x25519
// opens what was sealed to a node (the seed is the 32-byte scalar of RFC 7748
// before clamping, which is also the private key of HPKE's DHKEM(X25519)).
//
// A public key file has the first line "tallyvault-public v1 ed25519" and no seed.
//
// [Read] refuses the file of a private key that anybody but its owner can read or
// write, because a key that was readable must be treated as known; it looks at the
// opened file, so a symbolic link is as good or bad as what it leads to.
//
// It is a package of its own, below the client for gateways and the command line's
// key files under passphrases, so that gateways need no cryptography of passphrases.
package keytext
