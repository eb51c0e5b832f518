// Package doctor examines a node's machine: its directory and keys, its disk, its
// ports, its clock, its certificates, and what it sees of every other node and they
// of it. It changes nothing but a file of its own that it takes away again, and works
// while the node runs and while it is down.
//
// What it finds is a list of findings, each with a state, what was seen and, unless
// that is well, what to do:
//
//	ok    as it should be
//	warn  works now, and needs a look
//	fail  the node cannot do its part
//
// What cannot be examined is said too: as a warning if somebody should see to it that
// it can.
package doctor
