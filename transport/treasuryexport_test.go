package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/transport/api"
)

// An export that is written row by row has the bytes of the document, however few rows
// are paid for at a time, and one that is not whole is an error.
func TestExportIsTheDocument(t *testing.T) {
	machine, err := fsm.New(testGenesis(t, "export"))
	if err != nil {
		t.Fatal(err)
	}
	s := state{View: machine.View()}
	var got bytes.Buffer
	paid := 0
	taken := func(part []byte) error { got.Write(part); return nil }
	e := exporter{write: taken, paid: 1, pay: func() error { paid++; return nil }}
	if err := e.export(s); err != nil || e.rows < 2 || paid != 1 {
		t.Fatalf("%d rows, paid %d times, %v", e.rows, paid, err)
	}
	var document api.TreasuryExport
	if err := json.Unmarshal(got.Bytes(), &document); err != nil || len(document.Accounts)+len(document.Epochs) != e.rows {
		t.Fatalf("%v: %s", err, got.Bytes())
	}
	if want := asDocument(t, document); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("export\n%s\nwant\n%s", got.Bytes(), want)
	}
	broken := errors.New("broken")
	for name, e := range map[string]*exporter{
		"nothing more is paid":  {write: taken, pay: func() error { return broken }},
		"the reader has left":   {write: func([]byte) error { return broken }, paid: 100},
		"both, the first first": {write: func([]byte) error { return errors.New("written") }, pay: func() error { return broken }},
	} {
		if err := e.export(s); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// asDocument words a value as other routes do.
func asDocument(t *testing.T, v any) []byte {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// However many rows there are, a part of them is held at a time, and all are paid for.
func TestExportHoldsOnePart(t *testing.T) {
	const rows = 50_000
	account := api.Account{Account: "payer/city", Asset: "BLOCK", Debits: "1", Credits: "2", Balance: "1"}
	var got bytes.Buffer
	paid, most := 0, 0
	e := exporter{
		paid:  exportPart,
		pay:   func() error { paid++; return nil },
		write: func(part []byte) error { most = max(most, len(part)); got.Write(part); return nil },
	}
	e.list("[", func() {
		for range rows {
			if !e.row(account) {
				return
			}
		}
	})
	e.pending.WriteString("]\n")
	e.flush()
	var list []api.Account
	if err := json.Unmarshal(got.Bytes(), &list); err != nil || len(list) != rows || list[rows-1] != account {
		t.Errorf("%d rows, %v", len(list), err)
	}
	if want := (rows - 1) / exportPart; paid != want || most > exportBytes+4096 {
		t.Errorf("paid %d times, want %d; held %d bytes", paid, want, most)
	}
}

// A budget that is used up holds an export back until there is more of it, the reader
// leaves or the door closes.
func TestExportWaitsForItsBudget(t *testing.T) {
	address := addressOf("192.0.2.1:1")
	for _, rate := range []float64{600, 0.001} {
		d := closedDoor(t, Limits{ChecksPerSecond: rate, ChecksBurst: maxBatchLines})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		begun := time.Now()
		var err error
		for n := 0; n < 3 && err == nil; n++ {
			err = d.pay(ctx, address, maxBatchLines*usualRows)
		}
		if took := time.Since(begun); (err == nil) != (rate > 1) || took < 500*time.Millisecond {
			t.Errorf("at %v checks a second: %v after %s", rate, err, took)
		}
		cancel()
	}
	d := closedDoor(t, Limits{ChecksPerSecond: 0.001, ChecksBurst: maxBatchLines})
	if _, ok := d.budgets.take(address, maxBatchLines, time.Now()); !ok {
		t.Fatal("a new address has no budget")
	}
	close(d.stop)
	if err := d.pay(t.Context(), address, exportPart*exportedRow); err == nil {
		t.Error("an export outlived its door")
	}
}

const usualRows = 1 / usualRowCost
