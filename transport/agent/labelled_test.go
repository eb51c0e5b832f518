package agent

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// table reads a CSV file of the public test data, without its header.
func table(t *testing.T, path ...string) (header []string, rows [][]string) {
	t.Helper()
	dir := os.Getenv("TALLYVAULT_TESTDATA")
	if dir == "" {
		t.Skip("SKIPPED: TALLYVAULT_TESTDATA names no directory of public meter data")
	}
	file, err := os.Open(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	if text == "" {
		return 0
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func faultsPolicy(t *testing.T) Policy {
	t.Helper()
	p, err := ReadPolicy("../../deploy/examples/oracle_policy_faults.json")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// found counts what a policy made of labelled readings. A reading in the wake of
// a fault is sound itself, but what it adds since the last plausible register is
// not: registers are cumulative.
type found struct{ faults, noticed, wake, false, sound int }

func (f found) String() string {
	rejected := f.noticed + f.wake + f.false
	return fmt.Sprintf("%d of %d labelled readings rejected (recall %.3f), %d in their wake, %d others of %d (precision %.3f)",
		f.noticed, f.faults, float64(f.noticed)/float64(f.faults), f.wake, f.false, f.sound, float64(f.noticed+f.wake)/float64(max(1, rejected)))
}

// inverter judges a file of labelled power values as the meter of a 10 kW plant.
// What the inverter said wrongly stays in the register.
func inverter(t *testing.T, file, meter string) (found, map[Reason]int) {
	_, rows := table(t, "pv", file)
	run := NewDryRun(faultsPolicy(t), nil)
	var f found
	var faulty []int64 // measuring times of labelled readings
	sum, base := 0.0, 1e6
	for _, row := range rows {
		start, err := time.Parse("2006-01-02 15:04:05-07:00", row[0])
		if err != nil {
			t.Fatal(err)
		}
		if row[1] == "" {
			continue // a gap: the next reading covers it
		}
		value := number(t, row[1])
		if math.Abs(value) < 1e-4 {
			value = 0 // below what an inverter can tell
		}
		sum += value * 10_000 / 4
		end := start.UnixMilli() + quarter
		label := strings.EqualFold(row[2], "true")
		if label {
			f.faults++
			faulty = append(faulty, end)
		}
		v := run.Take(Claim{Market: "energy", Meter: meter, Register: Register{uint64(base + sum), end}}, NoFate)
		rejects := v.Vote == Reject
		covers := v.Earlier != nil && slices.ContainsFunc(faulty, func(at int64) bool { return at > v.Earlier.MeasuredAt && at <= end })
		switch {
		case label && rejects:
			f.noticed++
		case rejects && covers:
			f.wake++
		case rejects:
			f.false++
			t.Logf("   %s: %s", row[0], v.Words)
		}
		if !label {
			f.sound++
		}
	}
	return f, run.Counts()[0].Reasons
}

func TestLabelledFaultsOfInverters(t *testing.T) {
	for _, tt := range []struct {
		file, meter string
		recall      float64
		falsely     int
	}{
		{"ac_power_inv_2173_stale_data.csv", "pv-10kw-2173", 0.9, 3},
		{"ac_power_inv_7539_outliers.csv", "clip-10kw-7539", 1, 12},
	} {
		f, reasons := inverter(t, tt.file, tt.meter)
		t.Logf("%s: %s; %v", tt.file, f, reasons)
		if f.faults == 0 || float64(f.noticed)/float64(f.faults) < tt.recall || f.false > tt.falsely {
			t.Errorf("%s: %s", tt.file, f)
		}
	}
}

// plants are a year of hourly sums of 17 plants, B14 of which is partly dead and
// B15 nearly wholly.
func plants(t *testing.T) (meters []string, wattHours map[string][]float64, perKW []float64) {
	_, nominal := table(t, "citylearn", "nominal_pv_kw.csv")
	kw := map[string]float64{}
	for _, row := range nominal {
		kw[row[0]] = number(t, row[1])
	}
	header, rows := table(t, "citylearn", "citylearn2022_17homes_hourly_solar_w_per_kw.csv")
	wattHours = map[string][]float64{}
	first := slices.Index(header, "B01")
	for _, name := range header[first:] {
		meters = append(meters, fmt.Sprintf("pv-%gkw-%s", kw[name], strings.ToLower(name)))
	}
	for _, row := range rows {
		var all []float64
		for i, name := range header[first:] {
			value := number(t, row[first+i])
			all = append(all, value)
			wattHours[meters[i]] = append(wattHours[meters[i]], value*kw[name])
		}
		slices.Sort(all)
		perKW = append(perKW, all[len(all)/2])
	}
	return meters, wattHours, perKW
}

func TestDeadArraysAreNoticed(t *testing.T) {
	meters, wattHours, perKW := plants(t)
	// Hour 24 of 31 July, a Sunday, in Pacific standard time.
	start := at(t, "2016-07-31T23:00:00-08:00")
	sums := func(hourly []float64) []Register {
		out := []Register{{0, start}}
		sum := 0.0
		for i, value := range hourly {
			sum += value
			out = append(out, Register{uint64(sum), start + int64(i+1)*hourMs})
		}
		return out
	}
	run := NewDryRun(faultsPolicy(t), map[string]*Book{"neighbours": {rows: map[string][]Register{"sun-1kw": sums(perKW)}}})
	for _, meter := range meters {
		for _, r := range sums(wattHours[meter]) {
			run.Take(Claim{Market: "energy", Meter: meter, Register: r}, NoFate)
		}
	}
	var noticed []string
	for _, n := range run.Counts() {
		t.Logf("%s: %d of %d rejected: %v", n.Meter, n.Reject, n.Readings, n.Reasons)
		if n.Rule == 0 {
			t.Errorf("no rule matches %s", n.Meter)
		}
		if n.Reject*10 > n.Readings {
			noticed = append(noticed, n.Meter)
			t.Logf("   %s: %s", moment(n.FirstMeasuredAt), n.FirstWords)
		}
	}
	for i, name := range []string{"b14", "b15"} {
		if i >= len(noticed) || !strings.HasSuffix(noticed[i], name) || len(noticed) != 2 {
			t.Fatalf("rejected more than a tenth of %v, want b14 and b15", noticed)
		}
	}
}
