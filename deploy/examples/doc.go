// Package examples runs the tests of the example programs in other languages: each
// is held to the test vectors beside it, in its own language's way. Where a language
// is missing its tests are skipped, and say so.
package examples
