// Package examples runs the tests of the example programs in other languages: each
// is held to the test vectors beside it, in its own language's way, and asks a node
// that joined after genesis, which has to prove itself. Where a language is missing
// its tests are skipped, and say so. Whole committees under faults are the matter of
// cmd/internal/faults.
package examples
