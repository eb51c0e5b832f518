package bench

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// clockTicks is Linux's unit of processor time as it is shown to programs, fixed
// at a hundredth of a second on all architectures that Go knows.
const clockTicks = 100

// usageOf asks the system about a running process.
func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(stat), string(status))
}

// parseUsage reads the two files. The process's name may hold anything, so the
// fields count from behind its closing parenthesis.
func parseUsage(stat, status string) (usage, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const userTime, systemTime = 11, 12
	if len(fields) <= systemTime {
		return usage{}, fmt.Errorf("the process statistics have %d fields", len(fields))
	}
	user, err := strconv.ParseUint(fields[userTime], 10, 64)
	if err != nil {
		return usage{}, err
	}
	system, err := strconv.ParseUint(fields[systemTime], 10, 64)
	if err != nil {
		return usage{}, err
	}
	u := usage{cpuSeconds: float64(user+system) / clockTicks}
	for line := range strings.Lines(status) {
		name, rest, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &u.rss, "RssAnon": &u.anonymous}[name]
		if into == nil {
			continue
		}
		if *into, err = strconv.ParseInt(strings.Fields(rest)[0], 10, 64); err != nil {
			return usage{}, err
		}
		*into <<= 10
	}
	return u, nil
}

// loadAverage is how busy the machine was in the last minute, before the run.
func loadAverage() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(text, []byte(" "))
	load, err := strconv.ParseFloat(string(first), 64)
	if err != nil {
		return 0
	}
	return load
}

// apart keeps a terminal's Ctrl-C from the nodes, which are stopped in order,
// and ends them should this process be killed. The latter goes by thread: start
// and wait must happen on one that lives as long.
func apart() *syscall.SysProcAttr {
	runtime.LockOSThread()
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
