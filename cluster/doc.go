// Package cluster is a node: it replicates commands with Raft, hands them to the
// state machine, keeps what comes out in the journal, and makes it final together
// with its peers. It owns the clock, the goroutines, the files and the only lock
// around the state; everything below it computes.
//
// # The way of a command
//
//  1. [Node.Submit] on any node. A follower forwards to the leader over the peer
//     port.
//  2. The leader verifies the signatures of the request on all cores and asks the
//     state what would be refused before the nonce is spent. What is refused here is
//     not logged. A command that was executed before is answered with its outcome.
//  3. It waits in the queue. One goroutine packs what waits into an entry, gives it
//     the next number and hands it to Raft; few entries are in flight at a time, so
//     that under load many commands share one.
//  4. Every node applies the entry: decode, verify what it has not verified itself,
//     Apply, then leaves, outcomes and index rows into the journal. The leader keeps
//     its own entries parsed and verified and does neither twice.
//  5. The leader answers each command with its own outcome.
//
// The same command twice in flight has one flight and one answer. When a leader is
// lost between 3 and 5 nobody knows whether the entry will be applied: Submit then
// looks for the outcome in this node's index, sends the same command to the next
// leader, and says [UnknownOutcome] only if neither helps within its time. Sending
// anything again is always safe.
//
// # A leader is not believed
//
// A follower passes on the leader's answer to a forwarded command at once, and
// compares it with its own outcome as soon as it has applied the same entry; what it
// can compare before it answers and finds false it does not pass on. A linearizable
// read index behind what the follower has applied is refused. Either raises
// [AlarmAnswer]. What a leader withholds is noticed after 30 s ([AlarmForward]). That
// a leader refuses at its door what it should take, or lets stale readers wait, cannot
// be told from here; the next leader takes the same command. Only a receipt under a
// cosigned checkpoint proves an outcome.
//
// # Leadership
//
// A session is the leadership of one term. It begins behind Raft's barrier, when
// everything of earlier terms is applied here, so that the number of the next entry
// is known; then it ticks once, and only then it takes commands. The entries of a
// term have no holes. A log entry carries the term in which it was built, and every
// node drops one that Raft took under a later term: so a leader that slept while
// another led can never give a number to two entries.
//
// # Time
//
// For each tick the leader collects signed clock statements of a majority, its own
// among them, and waits 50 ms more for the others that are alive. It ticks every five seconds when idle, at once when something is due at
// a height that is reached, and when a cut is wanted. There is one tick in flight at
// a time. A node states its clock for its own cluster and era only, and for ticks
// near its own.
//
// A node's clock may be wrong by anything. It reckons when a tick is needed by what
// the newest one stated, cosigns with a time that is held to that of the state, and
// [Node.Time] is its clock, held to the committee's. When the two differ by more than
// 30 s it raises [AlarmClock], but stays in service.
//
// # Finality
//
// A cut is marked at most once a second, on a tick or, under load, on an entry with
// commands, when something was added since the last one. Every node that has applied
// it compares root and journal and cosigns (package cosign has the rules). The leader
// collects, publishes the note as soon as k nodes agree, pushes it to everybody, and
// puts the cosignatures into the header of the next cut's entry. A node publishes
// only what it has computed itself; one that learns that k others have cosigned
// another root ends, saying so. A single contradicting cosignature, asked for or on a
// note that somebody pushed, is kept as evidence, and completed with the committee's
// checkpoint as soon as that is final (package cosign), so that it convinces
// strangers. While there is a replicated alarm, nobody cosigns.
//
// # Disk
//
// Raft's log is the write-ahead log of the journal: the journal is synced before a
// snapshot is written, since after it Raft may drop the entries that the journal
// could be written from again. After a crash the journal goes back to its mark, and
// replaying the log writes the same bytes again; a byte that differs ends the node.
// The first write that fails ends the node too, before anybody is answered.
//
// A write or sync that does not come back within 10 s ends it as well (diskwatch.go):
// the node closes its peer port first, since Raft's heartbeats would go on and keep the
// lead where nothing can be committed, and Run returns without waiting for anything.
//
// A snapshot is a frozen state whose digest the committee has cosigned, or genesis, and
// the journal's leaves since (package snapshot). A node whose journal is incomplete
// takes none, and nobody takes one that would be longer than package snapshot bears
// because nothing becomes final; Raft's log grows instead.
//
// One that the leader sends waits in a file until it has proven itself, before Raft
// takes it for its newest. It must continue what this node signed, applied and keeps in
// its journal; a proof that it needs for that may come from any peer. What does not
// prove itself changes nothing. It is kept in the directory refused, three times at
// most, with the reason and who led, and raises [AlarmSnapshot]; an honest leader's is
// taken as before. One that would take more than a third of the free room on the disk
// is not taken in at all. One that is cut short in head and tail alike can only be told from
// an older honest one by the next entry, whose number does not follow: then this node's
// next root contradicts the others', and it ends.
//
// Of the own snapshots only the newest counts. If it cannot be read, or one has no
// readable description, the node refuses to start ([DamagedSnapshotError]): going on
// from an older one would be to forget silently.
//
// A node whose state came as a snapshot may have a journal that ends before it. It
// takes part in Raft, but does not cosign and serves no receipts until it has fetched
// the missing leaves and outcomes from peers and found them to lead to the root and
// the outcome chain that the state holds. If its journal reaches to where the
// snapshot's leaves begin, they are enough.
//
// A snapshot from the leader replaces everything before it, so a log that does not
// hold the snapshot's last entry is dropped; term and vote stay. If the log reaches
// past the snapshot, as that of a leader that was cut off may, Raft is stopped and
// opened again within the process: a session ends, readers and callers notice no more
// than a change of leadership. A snapshot older than what is applied is refused.
//
// # Members
//
// Who the members are is state, and lies in a file too (roster.go): a node needs its
// peers before it has replayed its log. Peers, clocks and cosigners follow it, and a
// checkpoint is judged by the committee of its size. The leader's session brings
// Raft's configuration to the state, one change at a time (membership.go): a joining
// node becomes a non-voter; once the change is in effect it votes and the replaced one
// goes, which goes first if it is dead. A replaced leader hands over the lead.
//
// A node whose disk is empty may have forgotten what it promised. At the first start
// all nodes of genesis must answer once that they are new; later an empty one begins
// only if the leader, after committing an entry without it, finds that the log holds
// nothing it signed. Otherwise it is refused (firststart.go). A node that replaces
// another asks the members it knows until one lets it in (join.go), and goes by what
// that one says of the members, judging no checkpoint, until its own state says it. One
// that was replaced learns it from its own state, or from k of its committee when it
// comes back, keeps that in a file, and never starts again.
//
// # Reads
//
// [Node.View] is the state after the last applied entry; it never changes and needs
// no lock. [Node.ReadIndex] gives the entry that a read must wait for: what the leader
// has applied, or, linearizable, everything that anybody was told. All numbers that
// readers see are entry numbers; Raft's own index runs ahead of the state machine.
//
// # Limits
//
//	commands in one Submit              MaxSubmit (8,192)
//	commands waiting at the leader      16,384 and 32 MiB; beyond: Unavailable, try again
//	entries in flight                   4
//	follower behind the leader          2,048 entries; then the leader waits for it,
//	                                    unless it is dead for 3 s or stuck for 10 s, or
//	                                    has used up 30 s by trailing most of the time
//	call between nodes                  1,024 commands and 8 MiB, 4 MiB of leaves
//	forwarded and not applied           alarm after 30 s
//	Submit looks for a leader           3 s
//	Submit looks for an outcome         15 s, and not at a leader that is silent for 6 s
//
// A RaftTimeout above a second makes peers be asked less often, and the times after
// which they are dead or stuck, or no longer waited for, longer, by as many times.
//
// # Stopping
//
// When Run's context ends the node is no longer ready, lets what is in flight land
// (3 s at most), ends its session, hands over the lead, closes the calls of its peers,
// stops Raft and closes its files. After a fatal error it does only the last two.
package cluster
