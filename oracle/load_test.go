package oracle

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestLoadRefusals breaks one row of an image. A row is found by its number in
// TestImageGolden, and broken by replacing bytes that stand in it once.
func TestLoadRefusals(t *testing.T) {
	good := image(populated(t))
	num := func(v uint64) string {
		return string([]byte{0, 0, 0, 0, byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	id := func(n uint64) string { i := identity(n); return string(i[:]) }
	tests := []struct {
		row      int
		old, new string
		want     string
	}{
		{0, "\x01\x06energy", "\x00\x06energy", "unknown tag 0x00"},
		{0, "\x01\x06energy", "\x0a\x06energy", "unknown tag 0x0a"},
		{0, "\x06energy", "\x06Energy", "not an id"},
		{0, "\x04live", "\x04dead", "market row: MalformedPayload field=stage"},
		{1, "\x05water", "\x06energy", "does not follow"},
		{2, "\x05water", "\x05later", "market later does not exist"},
		{2, "\x05BLOCK", "\x05BRICK", "could not have been scheduled"},
		{3, "\x08oracle00" + num(1), "\x08oracle00" + num(0), "weight is zero"},
		{3, "\x08oracle00" + num(1), "\x08oracle00\xff" + num(1)[1:], "LimitExceeded limit=weight"},
		{4, "\x08oracle01", "\x08oracle00", "does not follow"},
		{6, num(2), num(3), "number 3 is not between 1 and 2"},
		{6, num(2), num(0), "number 0 is not between"},
		{6, "\x00\x0a\x12\x20\x03", "\x00\x07\xa1\x20\x03", "threshold 500000 is out of range"},
		{6, "\x03\x08oracle00", "\x41\x08oracle00", "65 members are too many"},
		{6, "oracle01" + num(1), "oracle01" + num(0), "weight out of range"},
		{6, "oracle01", "oracle00", "out of order"},
		{7, "\x04moon\x00", "\x04moon\x02", "neither true nor false"},
		{9, "\x06energy", "\x06heaven", "NotFound kind=market id=heaven"},
		{9, num(10_000), num(0), "field=capacity"},
		{9, "\x03\x00" + num(0), "\x03\x00" + num(1), "no base and figures of one"},
		{10, num(250), num(1_000), "out of range"},
		{10, "\x03\x01", "\x0a\x01", "field=decimals"},
		{11, num(1), num(2), "not a chunk"},
		{11, num(1) + "\x04", num(1) + "\x03", "too many"},
		{11, num(1) + "\x04", num(1) + "\x05", "cut short"},
		{12, num(3), num(5), "number 5 is not between 1 and 4"},
		{12, num(3), num(4), "another identity"},
		{12, id(3), id(4), "another identity"},
		{12, "\x04roof", "\x04door", "meter door is not of the market"},
		{12, num(107_200) + num(2), num(107_200) + num(1), "electorate 1 is not kept"},
		{12, num(107_200), num(7_200), "it expires at 7200"},
		{12, num(107_200), "\x00\x00\x00\x02\x00\x00\x00\x00", "it expires at 8589934592"},
		{12, "synced", "Synced", "quality is malformed"},
		{12, num(2) + num(0) + "\x00", num(8) + num(0) + "\x00", "not those of its electorate"},
		{12, num(2) + num(0) + "\x00", num(2) + num(2) + "\x00", "not those of its electorate"},
		{12, num(2) + num(0) + "\x00", num(2) + num(0) + "\x01", "votes and state disagree"},
		{12, num(2) + num(0) + "\x00", num(2) + num(4) + "\x00", "votes and state disagree"},
		{12, "\x00" + num(2) + "\x01\x01", "\x00" + num(4) + "\x01\x01", "equivocated who has not voted"},
		{12, num(2) + "\x01\x01", num(2) + "\x01\x00", "nobody's"},
		{12, num(2) + "\x01\x01", num(2) + "\x01\x40", "nobody's"},
		{13, "\x04roof" + num(9_900), "\x04roof" + num(9_900)[:7], "cut short"},
		{14, num(1) + "\x04roof", num(2) + "\x04roof", "number 2 is not between 1 and 1"},
		{14, "\x04roof", "\x04door", "meter door is not of the market"},
		{14, num(2) + num(2), num(3) + num(2), "numbers 3 to 2 are not between 1 and 4"},
		{14, num(2) + num(2), num(0) + num(2), "numbers 0 to 2 are not between 1 and 4"},
		{14, num(2) + num(2), num(2) + num(5), "numbers 2 to 5 are not between 1 and 4"},
		{14, "\x05BLOCK", "\x05BL CK", "a term is out of range"},
		{14, "BLOCK\x00\x01" + id(2), "BLOCK\x00\x00", "a term is out of range"},
		{14, num(8_010), num(8_011), "registers do not add up"},
		{14, num(250), num(251), "money does not add up"},
		{14, num(200), num(201), "money does not add up"},
		{14, num(198), num(199), "money does not add up"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("row %d %q", tt.row, tt.new), func(t *testing.T) {
			s := NewState()
			for _, row := range good[:tt.row] {
				if err := s.Load(row); err != nil {
					t.Fatal(err)
				}
			}
			if n := bytes.Count(good[tt.row], []byte(tt.old)); n == 0 {
				t.Fatalf("%q is not in row %q", tt.old, good[tt.row])
			}
			before := rows(s)
			err := s.Load(bytes.Replace(good[tt.row], []byte(tt.old), []byte(tt.new), 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if rows(s) != before {
				t.Error("a refused row changed the state")
			}
		})
	}
}

// Every row is refused when it comes again, out of order, with a byte more or
// with any number of bytes less.
func TestLoadIsStrict(t *testing.T) {
	good := image(populated(t))
	for i, row := range good {
		s := NewState()
		for _, before := range good[:i] {
			if err := s.Load(before); err != nil {
				t.Fatal(err)
			}
		}
		for n := range row {
			if s.Load(row[:n]) == nil {
				t.Errorf("row %d was taken with %d of %d bytes", i, n, len(row))
			}
		}
		if s.Load(append(slices.Clone(row), 0)) == nil {
			t.Errorf("row %d was taken with a byte more", i)
		}
		if err := s.Load(row); err != nil {
			t.Fatal(err)
		}
		for j, old := range good[:i+1] {
			if s.Load(old) == nil {
				t.Errorf("row %d was taken after row %d", j, i)
			}
		}
	}
}

// TestMissingRows leaves one row out. Either a later row misses it or the end
// of the load does; the rows nobody refers to are for the digest alone.
func TestMissingRows(t *testing.T) {
	good := image(populated(t))
	alone := map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 7: true, 9: true, 12: true, 13: true, 14: true}
	for i := range good {
		if i == 1 {
			continue // without the market water its scheduled row goes too
		}
		s := NewState()
		var err error
		for j, row := range good {
			if j != i && err == nil {
				err = s.Load(row)
			}
		}
		if err == nil {
			err = s.Consistent()
		}
		if (err == nil) != alone[i] {
			t.Errorf("without row %d: %v", i, err)
		}
	}
}

// TestConsistentFindsDamage writes into the tables what no call would.
func TestConsistentFindsDamage(t *testing.T) {
	for want, damage := range map[string]func(s *State, b *book){
		"is not found by its moment": func(s *State, _ *book) { s.waiting.Delete(momentKey("roof", morning+2*hourMs)) },
		"3 moments for 2":            func(s *State, _ *book) { s.waiting.Set(momentKey("roof", 5), 3) },
		"says 3 pending":             func(s *State, _ *book) { m, _ := s.meters.Get("roof"); m.pending++; s.meters.Set("roof", m) },
		"filed under 5":              func(_ *State, b *book) { r, _ := b.live.Get(3); b.live.Set(5, r) },
		"votes and state disagree":   func(_ *State, b *book) { r, _ := b.live.Get(3); r.decided = true; b.live.Set(3, r) },
		"newest electorate 3":        func(_ *State, b *book) { b.newest = 3 },
		"says 1 readings":            func(_ *State, b *book) { b.disengage(2) },
		"says 0 readings": func(_ *State, b *book) {
			b.electorates.Set(1, electorateRow{Electorate: newElectorate(1, 0, million, nil)})
		},
		"chunks of identities": func(_ *State, b *book) { b.lastNumber += chunkSize },
		"identity of number 2": func(_ *State, b *book) { b.identities.tail[1] = Identity{} },
	} {
		s := populated(t)
		damage(s, s.book("energy"))
		if err := s.Consistent(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// FuzzLoad puts any bytes in the place of one row of an image. A state in which
// the check then finds nothing emits all it took again, byte for byte and in
// order, and can be used without a panic.
func FuzzLoad(f *testing.F) {
	good := image(populated(f))
	for i, row := range good {
		f.Add(uint8(i), row)
	}
	f.Fuzz(func(t *testing.T, place uint8, row []byte) {
		s := NewState()
		var taken strings.Builder
		for i, other := range good {
			if i == int(place)%len(good) {
				other = row
			}
			if s.Load(other) == nil {
				fmt.Fprintf(&taken, "%x\n", other)
			}
		}
		told(s)
		if s.Consistent() != nil {
			return
		}
		if rows(s) != taken.String() {
			t.Fatalf("took\n%sand emits\n%s", taken.String(), rows(s))
		}
		s.BeginEpoch(1 << 40)
		s.Meters("", func(m Meter) bool {
			s.CloseMeter(at(0), m.ID)
			return true
		})
		if err := s.Consistent(); err != nil {
			t.Fatal(err)
		}
	})
}
