//go:build !linux

package bench

import (
	"errors"
	"syscall"
)

// usageOf cannot ask about a running process here; see child.life.
func usageOf(int) (usage, error) { return usage{}, errors.ErrUnsupported }

func loadAverage() float64 { return 0 }

// apart has nothing portable to offer.
func apart() *syscall.SysProcAttr { return nil }
