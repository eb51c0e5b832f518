package intervals

import (
	"encoding/csv"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// shared opens a file of public meter data, which is not part of the project.
func shared(t *testing.T, name string) *os.File {
	t.Helper()
	folder := os.Getenv("TALLYVAULT_TESTDATA")
	if folder == "" {
		t.Skip("SKIPPED: TALLYVAULT_TESTDATA does not name the folder of public meter data")
	}
	file, err := os.Open(filepath.Join(folder, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// exactTotals adds a file up in another way: package math/big reads the values
// and keeps them as fractions of kWh. Rows are counted per meter.
func exactTotals(t *testing.T, name string, meterOf func(header, record []string) map[string]string) (map[string]*big.Rat, map[string]int) {
	t.Helper()
	records, err := csv.NewReader(shared(t, name)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	totals, rows := map[string]*big.Rat{}, map[string]int{}
	for _, record := range records[1:] {
		for meter, text := range meterOf(records[0], record) {
			value, known := new(big.Rat).SetString(text)
			if !known {
				t.Fatalf("%q in %v", text, record)
			}
			if totals[meter] == nil {
				totals[meter] = new(big.Rat)
			}
			totals[meter].Add(totals[meter], value)
			rows[meter]++
		}
	}
	return totals, rows
}

// sameTotals holds registers against exact sums: each must be its meter's sum
// rounded down to a watt-hour, with one point a row and the baseline.
func sameTotals(t *testing.T, points []Point, summary Summary, totals map[string]*big.Rat, rows map[string]int) {
	t.Helper()
	if len(summary.Meters) != len(totals) {
		t.Errorf("%d meters, want %d", len(summary.Meters), len(totals))
	}
	counts := map[string]int{}
	for _, point := range points {
		counts[point.Meter]++
	}
	for _, meter := range summary.Meters {
		exact := new(big.Rat).Mul(totals[meter.Name], big.NewRat(1000, 1))
		want := new(big.Int).Quo(exact.Num(), exact.Denom())
		if !want.IsUint64() || meter.Total != want.Uint64() {
			t.Errorf("meter %s has register %d Wh, want %s rounded down", meter.Name, meter.Total, exact.FloatString(6))
		}
		if meter.Rows != rows[meter.Name] || counts[meter.ID] != rows[meter.Name]+1 {
			t.Errorf("meter %s has %d rows and %d points, want %d rows", meter.Name, meter.Rows, counts[meter.ID], rows[meter.Name])
		}
	}
	wellFormed(t, points)
}

func TestHouseholdsOfSydney(t *testing.T) {
	const name = "sgsc/sgsc_30_households_2013-09-09_8weeks.csv"
	file := shared(t, name)
	points, summary, err := Read(file, Options{
		TZ: mustZone(t, "Australia/Sydney"), MeterColumn: "customer_id", TimeColumn: "reading_datetime", ValueColumn: "general_supply_kwh",
	})
	if err != nil {
		t.Fatal(err)
	}
	if summary.Skipped != 0 || summary.Empty != 0 || summary.Interval != 30*time.Minute {
		t.Errorf("%d skipped, %d empty, interval %v: %v", summary.Skipped, summary.Empty, summary.Interval, summary.Errors)
	}
	totals, rows := exactTotals(t, name, func(header, record []string) map[string]string {
		return map[string]string{record[slices.Index(header, "customer_id")]: record[slices.Index(header, "general_supply_kwh")]}
	})
	sameTotals(t, points, summary, totals, rows)

	// The change of clocks lies within the file: this meter has four rows for
	// the two half-hours after 16:00 UTC.
	from := time.Date(2013, 10, 5, 16, 0, 0, 0, time.UTC).UnixMilli()
	var deltas []uint64
	var last uint64
	for _, point := range points {
		if point.Meter != "m-10006486" {
			continue
		}
		if point.MeasuredAt > from && point.MeasuredAt <= from+time.Hour.Milliseconds() {
			deltas = append(deltas, point.Register-last)
		}
		last = point.Register
	}
	if want := []uint64{1372, 552, 1454, 296}; !slices.Equal(deltas, want) {
		t.Errorf("the hour after the change has %v Wh, want %v", deltas, want)
	}
}

// TestHouseholdsUnnamedColumns reads the same file with nothing but its zone.
func TestHouseholdsUnnamedColumns(t *testing.T) {
	file := shared(t, "sgsc/sgsc_30_households_2013-09-09_8weeks.csv")
	_, summary, err := Read(file, Options{TZ: mustZone(t, "Australia/Sydney"), Limit: Limit{Meters: 3, RowsPerMeter: 48}})
	if err != nil {
		t.Fatal(err)
	}
	if summary.Layout != Long || summary.ValueColumns[0] != "general_supply_kwh" || summary.Rows != 3*48 {
		t.Errorf("found %s, %v, %d rows", summary.Layout, summary.ValueColumns, summary.Rows)
	}
}

func TestHomesOfCityLearn(t *testing.T) {
	for _, c := range []struct {
		name string
		unit Unit
		kwh  *big.Rat // one value of 1 in the file, in kWh
	}{
		{"citylearn/citylearn2022_17homes_hourly_load_kwh.csv", KWh, big.NewRat(1, 1)},
		{"citylearn/citylearn2022_17homes_hourly_solar_w_per_kw.csv", W, big.NewRat(1, 1000)},
	} {
		t.Run(filepath.Base(c.name), func(t *testing.T) {
			start := time.Date(2021, 8, 1, 0, 0, 0, 0, time.UTC)
			points, summary, err := Read(shared(t, c.name), Options{Start: start, Interval: time.Hour, Unit: c.unit})
			if err != nil {
				t.Fatal(err)
			}
			if summary.Skipped != 0 || len(summary.Meters) != 17 || summary.Rows != 17*8760 {
				t.Errorf("%d skipped, %d meters, %d rows: %v", summary.Skipped, len(summary.Meters), summary.Rows, summary.Errors)
			}
			totals, rows := exactTotals(t, c.name, func(header, record []string) map[string]string {
				values := map[string]string{}
				for i, name := range header {
					if name[0] == 'B' {
						values[name] = record[i]
					}
				}
				return values
			})
			for _, total := range totals {
				total.Mul(total, c.kwh)
			}
			sameTotals(t, points, summary, totals, rows)
		})
	}
}

// TestPlants reads single plants whose night values are noise around zero.
func TestPlants(t *testing.T) {
	for _, name := range []string{"pv/ac_power_inv_2173.csv", "pv/ac_power_inv_2173_stale_data.csv", "pv/ac_power_inv_7539_outliers.csv"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			points, summary, err := Read(shared(t, name), Options{Unit: W})
			if err != nil {
				t.Fatal(err)
			}
			wellFormed(t, points)
			if summary.Interval != 15*time.Minute || len(summary.Meters) != 1 || summary.Rows == 0 {
				t.Errorf("interval %v, %d meters, %d rows", summary.Interval, len(summary.Meters), summary.Rows)
			}
			t.Logf("%d rows, %d empty, %d skipped, first of them %v", summary.Rows, summary.Empty, summary.Skipped, summary.Errors[:min(1, len(summary.Errors))])
		})
	}
}
