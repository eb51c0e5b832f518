// Package vectors makes and checks the test vectors for implementers that lie
// beside it: what a program in another language must write, byte for byte, and
// what it must refuse. README.md says what is in each file.
//
// Everything follows from seeds that are written down in keys.json, and every
// verdict is the program's own: a command is refused in a vector as the state
// machine refuses it, a receipt as package proof does. So a rule that changes
// makes this test fail until the vectors are written anew:
//
//	go test ./deploy/examples/vectors -run Vectors -update
package vectors
