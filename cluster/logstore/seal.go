package logstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/hashicorp/raft"
)

// A digest is the first half of a SHA-256. It guards against accidents; whoever can
// write this node's disk on purpose could compute any digest anew.
type digest [16]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// start is what the first entry of a new store is chained to. It differs between
// stores, so that no other node's file fits this node's mark, equal as their entries
// may be.
func start(store digest) digest {
	sum := sha256.Sum256(append([]byte("tallyvault raft log 1\n"), store[:]...))
	return digest(sum[:])
}

const (
	sealVersion = 1
	// sealSize: version, generation, the digest before and the entry's own.
	sealSize = 1 + 8 + 16 + 16
)

// A seal is what the store appends to an entry: see the package's description.
type seal struct {
	generation uint64
	before     digest
	sum        digest
}

func (s seal) append(b []byte) []byte {
	b = append(b, sealVersion)
	b = binary.BigEndian.AppendUint64(b, s.generation)
	b = append(b, s.before[:]...)
	return append(b, s.sum[:]...)
}

// sumOf digests everything of an entry, so that no stored bit of it can change
// unnoticed, and its place in the chain.
func sumOf(l *raft.Log, generation uint64, before digest) (digest, error) {
	head := make([]byte, 0, 128)
	head = append(head, before[:]...)
	for _, n := range []uint64{generation, l.Index, l.Term, uint64(l.Type), uint64(len(l.Extensions)), uint64(len(l.Data))} {
		head = binary.BigEndian.AppendUint64(head, n)
	}
	head, err := l.AppendedAt.AppendBinary(head)
	if err != nil {
		return digest{}, err
	}
	h := sha256.New()
	h.Write(head)
	h.Write(l.Extensions)
	h.Write(l.Data)
	return digest(h.Sum(head[:0])[:len(digest{})]), nil
}

// sealed returns copies of entries as they are to be stored, which share the data
// with the originals. Raft and its cache keep using those, so they stay untouched. The
// time is stored in UTC: a zone west of it whose offset has odd seconds does not come
// back from its binary form.
func sealed(logs []*raft.Log, generation uint64, before digest) ([]*raft.Log, []digest, error) {
	copies := make([]raft.Log, len(logs))
	out := make([]*raft.Log, len(logs))
	sums := make([]digest, len(logs))
	seals := make([]byte, 0, len(logs)*sealSize)
	for i, l := range logs {
		copies[i] = *l
		c := &copies[i]
		c.AppendedAt = l.AppendedAt.UTC()
		sum, err := sumOf(c, generation, before)
		if err != nil {
			return nil, nil, err
		}
		s := seal{generation, before, sum}
		if from := len(seals); len(l.Extensions) == 0 {
			seals = s.append(seals)
			c.Extensions = seals[from:len(seals):len(seals)]
		} else {
			c.Extensions = s.append(append(make([]byte, 0, len(l.Extensions)+sealSize), l.Extensions...))
		}
		out[i], sums[i], before = c, sum, sum
	}
	return out, sums, nil
}

// unseal takes the seal off an entry that was read and checks it.
func unseal(l *raft.Log) (seal, error) {
	at := len(l.Extensions) - sealSize
	if at < 0 || l.Extensions[at] != sealVersion {
		return seal{}, errors.New("it has no checksum")
	}
	b := l.Extensions[at:]
	s := seal{binary.BigEndian.Uint64(b[1:]), digest(b[9:25]), digest(b[25:41])}
	l.Extensions = l.Extensions[:at:at]
	if at == 0 {
		l.Extensions = nil
	}
	sum, err := sumOf(l, s.generation, s.before)
	if err != nil || sum != s.sum {
		return seal{}, errors.New("its checksum is wrong")
	}
	return s, nil
}
