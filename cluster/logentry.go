package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/tallyvault/tallyvault/fsm"
)

// The data of a Raft log entry is the term in which its leader built it, eight
// bytes, and then the encoded entry.
//
// The term fences a leader that was paused between building an entry and handing
// it to Raft. If it lost and regained the lead meanwhile, Raft takes the entry
// under the new term, although its number has been given to another one by then;
// the state machine would have to take the second of them for an attack and raise
// the alarm. Every node sees the same two terms in the same log entry, so every
// node drops such an entry alike; those who wait for it are told that its outcome
// is unknown, and send their commands again.
const termLen = 8

// logPrefix is what an entry built in a term is appended to.
func logPrefix(term uint64) []byte { return binary.BigEndian.AppendUint64(nil, term) }

// splitLog takes a log entry's data apart. Data that is too short to hold a term
// was made by no honest leader; it goes to the state machine as it is, under the
// entry's own term, so that the journal records it.
func splitLog(data []byte, logTerm uint64) (term uint64, entry []byte) {
	if len(data) < termLen {
		return logTerm, data
	}
	return binary.BigEndian.Uint64(data), data[termLen:]
}

// errLate is the answer to an entry that was dropped because of its term.
var errLate = errors.New("the entry was built in an earlier term and dropped")

// maxKnown bounds the leader's entries that wait to be applied. The window of
// proposals is much smaller.
const maxKnown = 256

// A knownEntry is an entry that this node has built itself: parsed, and with all
// signatures verified.
type knownEntry struct {
	raw   []byte
	entry *fsm.Entry
}

type entryKey struct{ term, number uint64 }

// knownEntries lets the leader apply what it built without parsing and verifying
// it a second time.
type knownEntries struct {
	mu      sync.Mutex
	entries map[entryKey]knownEntry
}

func (k *knownEntries) put(term uint64, raw []byte, e *fsm.Entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries == nil || len(k.entries) >= maxKnown {
		// What is forgotten is parsed and verified again.
		k.entries = make(map[entryKey]knownEntry)
	}
	k.entries[entryKey{term, e.Number}] = knownEntry{raw, e}
}

// take returns the entry if these are exactly its bytes.
func (k *knownEntries) take(term uint64, raw []byte) *fsm.Entry {
	number, ok := entryNumber(raw)
	if !ok {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	known, ok := k.entries[entryKey{term, number}]
	if !ok {
		return nil
	}
	delete(k.entries, entryKey{term, number})
	if !bytes.Equal(known.raw, raw) {
		return nil
	}
	return known.entry
}

// entryNumber reads the number of an encoded entry, which follows its version.
func entryNumber(raw []byte) (uint64, bool) {
	if len(raw) < 9 {
		return 0, false
	}
	return binary.BigEndian.Uint64(raw[1:9]), true
}
