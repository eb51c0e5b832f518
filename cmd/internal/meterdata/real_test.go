package meterdata

import (
	"archive/zip"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// shared names files of public meter data, which are not part of the project.
func shared(t *testing.T, pattern string) []string {
	t.Helper()
	folder := os.Getenv("TALLYVAULT_TESTDATA")
	if folder == "" {
		t.Skip("SKIPPED: TALLYVAULT_TESTDATA does not name the folder of public meter data")
	}
	names, err := filepath.Glob(filepath.Join(folder, filepath.FromSlash(pattern)))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return names
}

// content is a file's text, of an archive that of its only file.
func content(t *testing.T, name string) string {
	t.Helper()
	if !strings.EqualFold(filepath.Ext(name), ".zip") {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	archive, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = archive.Close() })
	part, err := archive.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(part)
	if err != nil || len(archive.File) != 1 {
		t.Fatal(len(archive.File), err)
	}
	return string(data)
}

// tally is what an independent reading of a file comes to: the sum in kWh and the
// number of values for each meter.
type tally map[string]*big.Rat

func (y tally) add(t *testing.T, meter, text, unit string) {
	t.Helper()
	v, ok := new(big.Rat).SetString(text)
	scale := map[string]*big.Rat{"wh": big.NewRat(1, 1000), "kwh": big.NewRat(1, 1), "mwh": big.NewRat(1000, 1)}[strings.ToLower(unit)]
	if !ok || scale == nil {
		t.Fatalf("%s: %q %s", meter, text, unit)
	}
	if y[meter] == nil {
		y[meter] = new(big.Rat)
	}
	y[meter].Add(y[meter], v.Mul(v, scale))
}

// naiveNEM adds up what a person would with a spreadsheet: the columns of each 300
// row whose number is right, the quantity of each 250 row.
func naiveNEM(t *testing.T, text string) tally {
	sums := tally{}
	meter, unit, count := "", "", 0
	for _, line := range strings.Split(text, "\n") {
		cells := strings.Split(strings.TrimRight(line, "\r"), ",")
		switch cells[0] {
		case "200":
			meter, unit = cells[1]+"/"+cells[4], cells[7]
			minutes, err := strconv.Atoi(cells[8])
			if err != nil {
				t.Fatal(err)
			}
			count = 1440 / minutes
		case "300":
			if len(cells) < count+3 || !strings.HasSuffix(strings.ToLower(unit), "wh") || unit == "" {
				continue
			}
			for _, cell := range cells[2 : 2+count] {
				sums.add(t, meter, cell, unit)
			}
		case "250":
			if strings.HasPrefix(cells[18], "-") {
				continue // registers do not run backwards
			}
			sums.add(t, cells[1]+"/"+cells[4], cells[18], strings.TrimSpace(cells[19]))
		}
	}
	return sums
}

func sameSums(t *testing.T, file intervals.File, want tally) {
	t.Helper()
	if len(file.Series) != len(want) {
		t.Errorf("%d meters, want %d", len(file.Series), len(want))
	}
	for i, s := range file.Series {
		if want[s.Name] == nil || s.KWh().Cmp(want[s.Name]) != 0 {
			t.Errorf("%s comes to %s kWh, want %v", s.Name, s.KWh().FloatString(6), want[s.Name])
			continue
		}
		points, err := s.Points(3)
		if err != nil {
			t.Fatal(err)
		}
		whole := new(big.Rat).Mul(want[s.Name], big.NewRat(1000, 1))
		if last := points[len(points)-1].Register; last != new(big.Int).Quo(whole.Num(), whole.Denom()).Uint64() || file.Summary.Meters[i].Total != last {
			t.Errorf("%s ends at %d Wh, want %s rounded down", s.Name, last, whole.FloatString(3))
		}
	}
}

// TestFilesOfAEMO reads every scenario and example, packed or not. Which records
// cannot be used is known: a line broken in three, negative quantities, and a file
// without a header.
func TestFilesOfAEMO(t *testing.T) {
	badRows := map[string]string{"NEM12#Scenario10#ETSAMDP#NEMMCO.zip": "[27 28 29]"}
	for _, name := range append(shared(t, "nem12/valid/*"), shared(t, "nem12/aemo_scenarios/*")...) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := ReadFile(name, NEM12, intervals.Options{})
			want := naiveNEM(t, content(t, name))
			if filepath.Base(name) == "Example_NEM12_powercor.csv.zip" {
				want = nil // It has no header.
			}
			var lines []int
			for _, e := range file.Summary.Errors {
				lines = append(lines, e.Line)
				t.Log(e)
			}
			if got := fmt.Sprint(lines); err == nil && got != "[]" && badRows[filepath.Base(name)] != got {
				t.Errorf("lines %s were refused", got)
			}
			if (err != nil) != (len(want) == 0) {
				t.Error(err)
			}
			sameSums(t, file, want)
		})
	}
}

// TestMalformedFilesOfAEMO holds every malformed file to a reason of its own.
func TestMalformedFilesOfAEMO(t *testing.T) {
	reasons := map[string]string{
		"Example_NEM12_15min_200_30min_300.csv": `line 3, meter "123/E1": 48 values, and a day of 15 minutes each has 96`,
		"Example_NEM12_15min_200_30min_400.csv": `line 3, meter "123/E1": its 400 records cover 48 of 96 intervals`,
		"Example_NEM12_30min_200_15min_400.csv": `line 3, meter "123/E1": 96 values, and a day of 30 minutes each has 48`,
		"Example_NEM12_empty.csv":               "no value in the file",
		"Example_NEM12_missing_header.csv":      `line 2: the file begins with "200" and not with a 100 record`,
		"Example_NEM12_powercor.csv":            `line 2: the file begins with "200" and not with a 100 record`,
		"Example_empty_file.csv":                "the file is empty",
	}
	for _, name := range shared(t, "nem12/invalid/*") {
		_, err := ReadFile(name, NEM12, intervals.Options{})
		if want := reasons[filepath.Base(name)]; err == nil || want == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", filepath.Base(name), err, want)
		}
	}
}

// TestGreenButtonFiles adds up values found by their tags alone.
func TestGreenButtonFiles(t *testing.T) {
	reading := regexp.MustCompile(`(?s)<IntervalReading>.*?<value>([0-9]+)</value>.*?</IntervalReading>`)
	for _, name := range shared(t, "greenbutton/*.xml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := ReadFile(name, GreenButton, intervals.Options{Strict: true})
			if err != nil {
				t.Fatal(err)
			}
			sums := tally{}
			rows := 0
			for _, found := range reading.FindAllStringSubmatch(content(t, name), -1) {
				sums.add(t, file.Series[0].Name, found[1], "Wh")
				rows++
			}
			sameSums(t, file, sums)
			if file.Summary.Rows != rows {
				t.Errorf("%d values, want %d", file.Summary.Rows, rows)
			}
		})
	}
}

// TestPlantsInWatts holds the power of plants against its product with time.
func TestPlantsInWatts(t *testing.T) {
	for _, name := range shared(t, "pv/*.csv") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			file, err := ReadFile(name, CSV, intervals.Options{Unit: intervals.W, Interval: 15 * time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			sum := new(big.Rat)
			for _, line := range strings.Split(strings.TrimSpace(content(t, name)), "\n")[1:] {
				v, ok := new(big.Rat).SetString(strings.Split(strings.TrimRight(line, "\r"), ",")[1])
				if ok && v.Sign() >= 0 {
					sum.Add(sum, v.Mul(v, big.NewRat(1, 4000)))
				}
			}
			sameSums(t, file, tally{file.Series[0].Name: sum})
		})
	}
}
