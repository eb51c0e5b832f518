package meterdata

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// packed makes an archive of files, a name and a text each.
func packed(t *testing.T, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return written(t, b.String())
}

func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "NEM12#a file#of meters")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// nemDay is a NEM12 file with one day of six-hour intervals.
func nemDay(date, values string) string {
	return "100,NEM12,1,a,b\n200,N1,E1,,E1,,,kWh,360\n300," + date + "," + values + ",A\n900\n"
}

func TestArchives(t *testing.T) {
	one := nemDay("20240101", "1,2,3,4")
	file, err := ReadFile(packed(t, "NEM12#x#y.csv", one), NEM12, intervals.Options{})
	if err != nil || file.Summary.Meters[0].KWh != "10" {
		t.Errorf("one file: %v, %+v", err, file.Summary)
	}
	// Parts are one file; what two of them have is taken from the first.
	file, err = ReadFile(packed(t, "in/", "", "in/a.csv", one, "__MACOSX/._a.csv", "x", "in/b.csv", nemDay("20240102", "5,x,5,5"), "in/c.csv", nemDay("20240102", "7,7,7,7")),
		NEM12, intervals.Options{})
	if err != nil || file.Summary.Meters[0].KWh != "32" || file.Summary.Skipped != 4 {
		t.Errorf("three files: %v, %+v", err, file.Summary)
	}
	for i, want := range []string{`in/b.csv, line 3, meter "N1/E1": value "x"`, `in/c.csv, line 3, meter "N1/E1": a second value`} {
		if got := file.Summary.Errors[i].Error(); !strings.HasPrefix(got, want) {
			t.Errorf("error %d is %s", i, got)
		}
	}
	if file, err = ReadFile(packed(t, "a.csv", "time,B\n2024-01-01T00:00:00Z,1\n2024-01-01T01:00:00Z,1\n"), CSV, intervals.Options{}); err != nil || file.Summary.Rows != 2 {
		t.Errorf("packed CSV: %v", err)
	}
}

func TestReadFileRefuses(t *testing.T) {
	good := packed(t, "a", nemDay("20240101", "1,2,3,4"))
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for range MaxParts + 1 {
		many = append(many, "a", "")
	}
	var lengthy []string
	for range maxListing/(1<<15) + 1 {
		lengthy = append(lengthy, strings.Repeat("a", 1<<15), "")
	}
	for name, c := range map[string]struct{ file, want string }{
		"no file":              {filepath.Join(t.TempDir(), "none"), "no such file"},
		"a directory":          {t.TempDir(), "is a directory"},
		"an empty archive":     {packed(t, "dir/", ""), "the archive has no file in it"},
		"a broken archive":     {written(t, string(data[:len(data)-30])), "reading the archive"},
		"a broken part":        {written(t, string(data[:40])+"\xff\xff"+string(data[42:])), "a in the archive: "},
		"a part that is none":  {packed(t, "a", nemDay("20240101", "1,2,3,4"), "readme.txt", "hello"), `readme.txt in the archive: line 1: the file begins with "hello"`},
		"sixteen bits":         {written(t, "\xff\xfem\x00"), "UTF-16: save it as UTF-8"},
		"sixteen, packed":      {packed(t, "a", "\xfe\xff\x00m"), "a in the archive: the file is text in UTF-16"},
		"a device":             {os.DevNull, "is a pipe or a device"},
		"a list without end":   {packed(t, lengthy...), "its list of files is longer than 16777216 bytes"},
		"more parts than many": {packed(t, many...), "more than the 10000 files"},
	} {
		if _, err := ReadFile(c.file, NEM12, intervals.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
	if _, err := ReadFile(good, NEM12, intervals.Options{Unit: "gwh"}); err == nil {
		t.Error("options that make no sense were taken")
	}
	if f, err := ParseFormat("GreenButton"); f != GreenButton || err != nil {
		t.Error(f, err)
	}
	if _, err := ParseFormat("pdf"); err == nil || !strings.Contains(err.Error(), Formats) {
		t.Error(err)
	}
}

func TestChangedWhileRead(t *testing.T) {
	name := written(t, "time,B\n2024-01-01T00:00:00Z,1")
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	if err := unchanged(file, func(int64) error { return nil }); err != nil {
		t.Errorf("a file at rest: %v", err)
	}
	err = unchanged(file, func(size int64) error {
		if size != 29 {
			t.Errorf("read %d bytes", size)
		}
		return os.WriteFile(name, []byte("time,B\n2024-01-01T00:00:00Z,12"), 0o600)
	})
	if err == nil || !strings.Contains(err.Error(), "changed while it was read") {
		t.Errorf("a file that grows: %v", err)
	}
}
