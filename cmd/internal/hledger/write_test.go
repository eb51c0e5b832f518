package hledger

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/strict"
	"github.com/tallyvault/tallyvault/transport/api"
)

// deposited is the receipt of a deposit; 2^96 is more than a float or 64 bits hold.
func deposited(asset, account, amount string) []byte {
	return strict.Encode(fsm.ThresholdReceipt{
		ReceiptHead: fsm.ReceiptHead{Kind: fsm.KindThreshold, Entry: 7, Height: 2, At: 1_760_000_000_000}, Command: "deposit", Signers: []string{"ann", "ben"},
		Facts: []fsm.Field{{Name: "account", Value: account}, {Name: "asset", Value: asset}, {Name: "amount", Value: amount}, {Name: "reference", Value: "bank; 1 | x"}},
	})
}

const large = "79228162514264337593543950335"

func export() api.TreasuryExport {
	return api.TreasuryExport{Index: 9, Leaves: 20, Now: 1_760_000_100_000, Accounts: []api.Account{
		{Account: "external/BLOCK", Asset: "BLOCK", Debits: large, Credits: "0", Balance: "-" + large},
		{Account: "external/EUR-2", Asset: "EUR-2", Debits: "5", Credits: "0", Balance: "-5"},
		{Account: "payer/city", Asset: "EUR-2", Debits: "0", Credits: "5", Balance: "5"},
		{Account: "payer/idle", Asset: "BLOCK", Debits: "0", Credits: "0", Balance: "0"},
		{Account: "treasury", Asset: "BLOCK", Debits: "0", Credits: large, Balance: large},
	}}
}

func journal(t *testing.T, e api.TreasuryExport, receipts ...[]byte) (string, error) {
	t.Helper()
	w, err := New(e)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if err := w.Take(uint64(i+10), r); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err = w.Finish(&out)
	if err == nil && !w.Complete() {
		t.Error("it was finished and is not complete")
	}
	return out.String(), err
}

func TestJournalIsWhatHledgerAccepts(t *testing.T) {
	text, err := journal(t, export(), deposited("BLOCK", "treasury", large), deposited("EUR-2", "payer/city", "5"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"commodity 1000. \"EUR-2\"\n", "account payer/idle\n", "2025-10-09 * (10) ", "    ; kind:threshold, entry:7\n",
		"    treasury  " + large + " BLOCK\n    external/BLOCK  -" + large + " BLOCK\n", "    treasury  0 BLOCK = " + large + " BLOCK\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the journal lacks %q:\n%s", want, text)
		}
	}
	program, err := exec.LookPath("hledger")
	if err != nil {
		t.Skip("SKIPPED: hledger is not installed")
	}
	path := filepath.Join(t.TempDir(), "journal")
	for _, test := range []struct {
		text string
		ok   bool
	}{{text, true}, {strings.Replace(text, "= 5 ", "= 6 ", 1), false}} {
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if said, err := exec.Command(program, "check", "--strict", "-f", path).CombinedOutput(); (err == nil) != test.ok {
			t.Errorf("hledger check: %v\n%s", err, said)
		}
	}
}

func TestJournalRefuses(t *testing.T) {
	good := deposited("BLOCK", "treasury", large)
	for _, test := range []struct {
		name     string
		receipts [][]byte
		want     string
	}{
		{"a receipt is missing", [][]byte{good}, "account external/EUR-2 come to 0 out and 0 in, the export says 5 and 0"},
		{"a receipt too many", [][]byte{good, deposited("EUR-2", "payer/city", "5"), deposited("EUR-2", "payer/city", "1")}, "come to 6 out"},
		{"another account", [][]byte{good, deposited("EUR-2", "payer/city", "5"), deposited("USD", "payer/gone", "1")}, "name 7 accounts, the export has 5"},
	} {
		if _, err := journal(t, export(), test.receipts...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
		}
	}
}

// What comes behind the export is no part of it.
func TestJournalEndsWithTheExport(t *testing.T) {
	w, err := New(export())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Take(20, deposited("BLOCK", "treasury", "1")); err != nil || w.body.Len() > 0 {
		t.Errorf("error %v, %d bytes", err, w.body.Len())
	}
}
