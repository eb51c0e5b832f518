// Package words says in plain words what a machine-made thing means: a command
// before somebody signs it, its outcome, a receipt.
//
// Whoever signs must not have to trust that a screen shows what is signed. So
// [Reader.Command] reads the very bytes under the signature, with the parser of
// the replicated rules, and knows every command: one without words is refused
// instead of shown as "something". Nothing is taken from a server.
package words
