// Package keyfile keeps one private key in one file, and one public key in another,
// as text (package keytext).
//
// A key file under a passphrase is the same text inside an armored age file
// (https://age-encryption.org/v1, scrypt), so "age -d FILE" opens it without
// this program.
//
// Private key files are created with mode 0600, are never overwritten, and are
// on disk when [Write] returns. [Read] refuses a file that anybody but its
// owner can read or write.
package keyfile
