// Package bench measures a cluster: how many signed readings a second it takes
// in, how many of them it settles, and how long that takes.
//
// It founds a cluster of its own in an empty directory and runs each node as a
// process of the same program, with its own disk files, TLS and Raft, so that
// what is measured is what an operator runs. With targets, it drives a cluster
// that somebody else runs.
//
// # What counts
//
// Phase ingest: readings of meters that no oracle looks at, signed before the
// clock starts. A reading counts when its outcome was answered, which is after
// it was applied at the leader; the clock stops when every node has applied the
// last of them. Each meter's first reading, its baseline, comes before the clock.
//
// Phase settle: the same with meters of a second market in which three oracle
// agents attest. The clock stops when all readings are closed, so that a backlog
// counts as time. Readings are held back while too many are open.
//
// What is signed ahead fits a window. When a window is used up before the time
// is, the clock stands still while the next one is signed, and every window's
// time includes waiting for all nodes.
//
// With VsEtcd, an etcd cluster gets the same in turns with phase ingest: after each
// block of readings as many puts of the same bytes, from as many clients, to its
// leader, singly or in transactions of a batch. A put counts when it is answered;
// etcd's clock does not wait for its followers.
//
// With Pending, phase ingest goes on until so many readings are open, and the memory
// of each node is what it holds then. With Leaves, phase settle goes on until the
// journal is so long, the readings of phase ingest are attested to, too, and once
// nothing is open or held any more, phase ingest is measured again. With Hold the state
// stays as large as it has become: readings open, settlements within a dispute window
// of days. Spans tell what was answered in every ten seconds of a phase's clock, so
// that a slow end shows.
//
// # What would make the figures lie
//
// A directory in memory is refused: an fsync there costs nothing. Readings that
// were refused, or that were answered and are not in the state, are counted and
// make the run fail. The program that drives shares the machine with the nodes;
// its processor time is stated.
package bench
