package logstore

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// A specimen is a closed store with a past: copies of its file from earlier times.
type specimen struct {
	*rig
	bolt, mark []byte
	past       [][]byte // of bolt's file, oldest first
	pastMarks  [][]byte
	refused    int
	opened     int
}

// newSpecimen makes a store whose file has branch pages, large entries that overflow
// their pages, free pages, and settings, by a life with everything that happens to a
// log: appends, a compaction, a new leader that deletes from the back, elections.
func newSpecimen(t *testing.T) *specimen {
	s := &specimen{rig: newRig(t)}
	keep := func() {
		bolt, mark := s.files()
		s.past, s.pastMarks = append(s.past, bolt), append(s.pastMarks, mark)
	}
	life := []func(){
		func() { s.set("CurrentTerm", "\x00\x00\x00\x00\x00\x00\x00\x01") },
		func() { s.grow(150, 1) },
		func() { s.set("LastVoteTerm", "\x00\x00\x00\x00\x00\x00\x00\x01"); s.set("LastVoteCand", "north") },
		func() { s.grow(60, 1) },
		func() { s.delete(1, 40) },
		func() { s.grow(20, 1) },
		func() { s.set("CurrentTerm", "\x00\x00\x00\x00\x00\x00\x00\x02") },
		func() { s.delete(201, 230) },
		func() { s.grow(30, 2) },
		func() { s.delete(41, 60) },
		func() { s.set("LastVoteTerm", "\x00\x00\x00\x00\x00\x00\x00\x02") },
		func() { s.grow(1, 2) },
	}
	for _, event := range life {
		event()
		keep()
	}
	s.check()
	s.kill()
	s.bolt, s.mark = s.files()
	return s
}

// try opens the files as they lie there. Either the store refuses by name, without
// having touched the file, or it holds exactly the right content.
func (s *specimen) try(what string, args ...any) {
	s.t.Helper()
	before, err := os.ReadFile(s.path())
	missing := errors.Is(err, os.ErrNotExist)
	store, err := Open(s.config())
	if err == nil {
		s.opened++
		if err := errors.Join(differs(store, s.model), store.Close()); err != nil {
			s.t.Errorf(what+": opened with other content: %v", append(args, err)...)
		}
		s.restore(s.bolt, s.mark)
		return
	}
	s.refused++
	if !isDamage(err) || !strings.Contains(err.Error(), s.path()) || !strings.Contains(err.Error(), "replace_node") {
		s.t.Errorf(what+": refused without saying what to do: %v", append(args, err)...)
	}
	if after, err := os.ReadFile(s.path()); !bytes.Equal(before, after) || missing != errors.Is(err, os.ErrNotExist) {
		s.t.Errorf(what+": a refused file was changed", args...)
	}
}

// spoil changes bytes of one of the files, tries, and puts them back.
func (s *specimen) spoil(path string, at int, change []byte, what string, args ...any) {
	s.t.Helper()
	whole := s.bolt
	if path != s.path() {
		whole = s.mark
	}
	if bytes.Equal(whole[at:at+len(change)], change) {
		return
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	s.must(err)
	defer f.Close()
	_, err = f.WriteAt(change, int64(at))
	s.must(err)
	s.try(what, args...)
	_, err = f.WriteAt(whole[at:at+len(change)], int64(at))
	s.must(err)
}

// done puts the right files back and wants both kinds of outcome to have been seen,
// or the test has tested nothing.
func (s *specimen) done() {
	s.t.Helper()
	s.restore(s.bolt, s.mark)
	s.t.Logf("%d refused, %d opened with the right content", s.refused, s.opened)
	if s.refused == 0 {
		s.t.Error("nothing was refused")
	}
	before := s.opened
	s.try("the right files")
	if s.opened == before {
		s.t.Error("the right files were refused")
	}
}

const page = 4096

// newestMark is the mark that counts of the specimen.
func (s *specimen) newestMark() (newest mark) {
	for slot := range slots {
		m, err := parseMark(s.mark[slot*slotSize : (slot+1)*slotSize])
		s.must(err)
		if m.number > newest.number {
			newest = m
		}
	}
	return newest
}
