package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mostExposed is what "systemd-analyze security" may find at most, of 100: what is
// left is that a node listens on the network, and reads what everybody may.
const mostExposed = "15"

func units(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("SKIPPED: no systemd-analyze on this machine; the units were NOT judged")
	}
	found, err := filepath.Glob("*.service")
	if err != nil || len(found) != 2 {
		t.Fatalf("units: %v, %v; there are one for a node and one for an agent", found, err)
	}
	return found
}

// TestSystemdVerify has systemd read the units. It warns of what it does not know and
// of programs that are not there, so another one stands in for ours.
func TestSystemdVerify(t *testing.T) {
	for _, unit := range units(t) {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		standIn := strings.Replace(string(text), "ExecStart=/usr/local/bin/tallyvault ", "ExecStart=/bin/true ", 1)
		if standIn == string(text) {
			t.Errorf("%s does not start /usr/local/bin/tallyvault", unit)
		}
		path := filepath.Join(t.TempDir(), unit)
		if err := os.WriteFile(path, []byte(standIn), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), unit) {
			t.Errorf("systemd-analyze verify %s: %v\n%s", unit, err, out)
		}
	}
}

func TestSystemdSecurity(t *testing.T) {
	for _, unit := range units(t) {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+mostExposed, "./"+unit).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", unit, err, out)
		}
	}
}
