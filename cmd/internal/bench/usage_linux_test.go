package bench

import (
	"os"
	"testing"
)

func TestParseUsage(t *testing.T) {
	const status = "Name:\ttally\nVmRSS:\t    1000 kB\nRssAnon:\t     600 kB\nThreads:\t4\n"
	u, err := parseUsage("42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0", status)
	if err != nil || u != (usage{cpuSeconds: 2, rss: 1000 << 10, anonymous: 600 << 10}) {
		t.Errorf("%+v, %v", u, err)
	}
	if _, err := parseUsage("42 (a) S 1 2", status); err == nil {
		t.Error("statistics that are cut short were read")
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	u, err := usageOf(os.Getpid())
	if err != nil || u.rss < 1<<20 || u.anonymous > u.rss {
		t.Errorf("%+v, %v", u, err)
	}
}
