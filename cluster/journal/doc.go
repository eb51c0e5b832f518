// Package journal stores what the state machine has decided: the leaves of the
// verifiable log, the hashes of its tree, one outcome record per command, and an
// index from hashes to numbers. All of it lies in append-only files whose content
// follows from the replicated log alone, so that replaying the log writes the same
// bytes again.
//
// Raft's log is the write-ahead log. A journal therefore promises nothing about
// what was appended since the last [Journal.Sync]; it is lost in a crash and
// comes back by replay. What Sync covered is never lost silently: it is there,
// or opening, reading or verifying fails with a [*DamagedError] that names file
// and record.
//
// # Files
//
// All integers are big-endian, all checksums CRC-32C unless stated otherwise.
//
//	lock                        held by the one process that writes
//	mark                        how far everything below is durable; see Mark
//	hashes                      tlog's stored hashes, 32 bytes each, no header
//	leaves/NNNNNNNNNN.plain     a segment of leaves being filled, or not yet sealed
//	leaves/NNNNNNNNNN.sealed    a full segment of leaves, compressed
//	outcomes/...                the same for outcome records
//	index/NNNNNNNNNN.run        a sorted run of the index
//	index/NNNNNNNNNN.gen        the part of the index that is still in memory
//	*.tmp                       being written; removed by Open
//
// Leaves and outcomes are two sequences, each dense from 0, of records of at most
// 65,535 bytes. Segment N of a sequence holds the 16,384 records from N x 16,384.
//
// Plain segment: a header (the magic "TVPLAIN1", kind as u64, first record as
// u64), then for each record: u32 length, u32 checksum over (u64 record number,
// u32 length, bytes), bytes. One Append is one write per file it touches.
//
// Sealed segment: a header (magic "TVSEAL01", kind u64, first record u64, u32
// records, u32 records per block), blocks of 256 records that are each one zstd
// frame of (u32 lengths of all its records, then their bytes), a table with a line
// for each block (u64 offset, u32 packed length, u32 raw length, u32 checksum of
// the packed bytes), and a footer (u64 table offset, u32 blocks, u32 checksum over
// header, table and the footer so far, the magic "TVSEALED"). Blocks are contiguous,
// so each byte of the file is under some checksum.
//
// Hashes: the hash at byte 32 x tlog.StoredHashIndex(level, n). They carry no
// checksum of their own: they are a function of the leaves and Verify recomputes
// them; proofs are checked against the root before they are handed out.
//
// Run: a header (magic "TVINDEX1", u64 rows, u32 level, u32 blocks, u64 filter
// bytes), blocks of 4,096 bytes with up to 170 rows of (16-byte key, u64 value) in
// order and a checksum in the last four bytes, then the first eight key bytes of
// each block, a filter that tells most absent keys at once (ten bits per row; none
// above 32 Mi rows), and a u32 checksum over header, first keys and filter. First
// keys and filters are kept in memory: about 1.3 bytes per row, and next to
// nothing for the rows of the largest runs.
//
// # Mark
//
// A text of key-value lines: leaves, outcomes, the root of the tree of that many
// leaves, the generation file ("-" if none), one line for each run, and the SHA-256
// of the lines before. It is replaced by rename, after everything it speaks of has
// been fsynced. It is written before the first other file, so a directory with
// files and without a mark is damaged, not new.
//
// # Crash rules
//
// Open goes back to the mark exactly. Records and hashes beyond it are cut off,
// plain segments, runs and temporary files that it does not know are removed. Only
// Raft's log can tell what belonged there, and it will write it again. This needs
// no guess about which torn write reached the disk.
//
// Two rules make that possible. A segment is sealed only once it lies wholly below
// the mark, so a sealed segment is never cut (one beyond the mark means that the
// mark is not the newest, which is damage). A run that was merged into another is
// removed only after a mark that no longer names it.
//
// # Writing and reading
//
// One goroutine writes (Append, AppendOutcomes, Put); Sync may run beside it, on
// another goroutine, and covers what was written before it was called. Any number
// of goroutines read. Size is published after everything an Append wrote, so no
// reader sees half of it.
//
// Compressing segments, writing runs and merging them happens on goroutines that
// Open starts and Close waits for: compressing a segment takes a hundred
// milliseconds, which the caller of Append, the state machine's Apply, must not
// feel.
//
// The first write or sync error is final: this and every later write return it. The
// caller ends the process, since after a failed fsync nobody knows what is on disk.
package journal
