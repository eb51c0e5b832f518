// Package logstore keeps Raft's log, term and vote so that their loss cannot go
// unnoticed, and is not used again after the first write that failed.
//
// Raft's safety rests on what a node has promised: a vote, a term, an entry it
// acknowledged. The file that holds these is bolt's, by way of raft-boltdb. Bolt has
// no checksums on its pages, goes back to the older of two meta pages without a word,
// and Raft logs a failed write and lives on. So a [Store] wraps it:
//
//   - Every entry carries a seal: its own digest and that of the entry before. Reading
//     gives the entry that was stored, or a [*DamagedError].
//   - A mark, a file beside bolt's, says what bolt's file must hold at least. An older
//     file put back, a page or a meta page from before, an emptied or missing file do
//     not fit it, and Open refuses them.
//   - The first error of any write, sync or read of an entry is reported once, and every
//     later call returns it.
//
// Nothing is ever repaired. A damaged voter is replaced by a new node that has promised
// nothing yet; the error says how.
//
// # Seal
//
// Behind an entry's extensions, in bolt only; Raft, its cache and its peers never see
// it. Integers are big-endian, digests the first 16 bytes of a SHA-256:
//
//	version u8 = 1, generation u64, digest of the entry before, digest of this one
//
// The digest covers, in this order: the digest before; generation, index, term, type,
// length of extensions, length of data, each u64; the time in Go's binary form, in UTC;
// extensions; data. The first entry of a store follows a digest of the store's random
// name, so another node's file never fits. The chain goes on across a gap in the
// indices, which an installed snapshot leaves, and behind whatever was deleted: the
// first entry that is kept names the digest it follows. Deletions from the back take
// it back to the entry that is then the last.
//
// The generation counts deletions. It tells entries of a deleted tail from those that
// were appended in their place, however right the chain of either.
//
// A setting (term, vote, candidate) is stored with version u8 = 1, the number of its
// write u64, counted over all settings, and a digest over store, key, number and value.
//
// The store also holds all digests of the log in memory, 16 bytes an entry, and compares
// what bolt gives with them.
//
// # Mark
//
// A text of at most 4,096 bytes in one of two slots; that with the larger number counts:
//
//	tallyvault-raft-log-mark 1
//	store 5f0c...                                      the store's random name
//	number 81                                          of this mark
//	sets 5                                             writes of settings so far
//	log 2 first 41 after 9a1f... last 230 with 77c0... generation, ends and digests
//	log 3 first 61 after 0b2e... last 230 with 77c0... a second while one deletes
//	set 4 0000000000000002 to "CurrentTerm"            one line for each setting
//	sum 1d5e...                                        SHA-256 of the lines before
//
// Open accepts bolt's file if its settings are those of the mark, but for at most the
// next write; and if its log begins where a log line says, holds the last entry with
// its digest, and behind it only entries of the same generation, each following the one
// before.
//
// # Order of writes
//
// The mark may lag behind bolt and is never ahead of it, so a crash between two writes
// is no step back:
//
//	append   bolt (synced), mark
//	setting  bolt (synced), mark (synced), then the caller may answer
//	delete   mark with both positions (synced), bolt (synced), mark (synced)
//
// The mark of an append is written without a sync, but with one when the newest mark on
// disk is older than [syncAfter], or speaks of no entry. What a mark not yet on disk
// means for a step back of bolt's file alone:
//
//   - The process died, however it died: every step back is seen, of one transaction or
//     many. The mark is in the system's cache, which outlives the process.
//   - The power was cut or the kernel died: a step back of term, vote or candidate and
//     one across a deletion are seen always; a loss of entries is seen unless it is
//     limited to those appended in the last tenth of a second, or, if nothing was
//     appended after them, in the thirty seconds that the system takes to write its
//     cache. Such a loss needs a disk that lied to bolt's own syncs.
//   - Both files were put back from one older copy: never seen here. Only peers can.
//
// A sync for every append would close the second case and costs, measured beside bolt's
// own two, a third of the time of a small append (BenchmarkStoreLogs).
//
// The slot of the newest synced mark is never written over, so a power cut during a
// write leaves that mark. If one slot is damaged the other counts, which lags; if both
// are, Open refuses.
//
// # Opening
//
// [Create] makes the mark of a new node, once in its life. [Open] takes a lock on the
// mark, drops the system's cache of both files, so that what is checked is what the disk
// gives back, reads all pages of bolt's file that are in use without bolt, which would
// panic at a bad one, checks seals, chain and mark, and only then lets bolt have it. A
// refused file is left as it is, byte for byte. Checking takes about 4 µs an entry of 1 KiB.
//
// # Raft
//
// A Store is Raft's log store and stable store, and lies below raft.LogCache. It bears
// gaps between indices, so it is not a raft.MonotonicLogStore: saying so would make Raft
// delete the whole log at each installed snapshot. Committed logs are not restored from
// the store, so it does not track commits.
package logstore
