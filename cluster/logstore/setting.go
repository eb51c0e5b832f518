package logstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// A setting is a value of Raft's stable store (the term, the last vote's term and
// candidate) and the number of the Set that wrote it, counted over all keys.
type setting struct {
	value []byte
	set   uint64
}

const settingSealSize = 1 + 8 + 16

// seal returns a setting as it is stored under its key.
func (s setting) seal(store digest, key string) []byte {
	b := append(make([]byte, 0, len(s.value)+settingSealSize), s.value...)
	b = append(b, sealVersion)
	b = binary.BigEndian.AppendUint64(b, s.set)
	sum := s.sum(store, key)
	return append(b, sum[:]...)
}

func (s setting) sum(store digest, key string) digest {
	b := append([]byte("tallyvault raft setting 1\n"), store[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(len(key)))
	b = append(b, key...)
	b = binary.BigEndian.AppendUint64(b, s.set)
	b = append(b, s.value...)
	sum := sha256.Sum256(b)
	return digest(sum[:len(digest{})])
}

// unsealSetting is the inverse of setting.seal.
func unsealSetting(store digest, key string, stored []byte) (setting, error) {
	at := len(stored) - settingSealSize
	if at < 0 || stored[at] != sealVersion {
		return setting{}, errors.New("it has no checksum")
	}
	s := setting{append([]byte{}, stored[:at]...), binary.BigEndian.Uint64(stored[at+1:])}
	if s.sum(store, key) != digest(stored[at+9:]) {
		return setting{}, errors.New("its checksum is wrong")
	}
	return s, nil
}
