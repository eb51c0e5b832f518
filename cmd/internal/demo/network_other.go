//go:build !linux

package demo

import "syscall"

// withoutNetwork has nothing to offer here; the verifier opens no socket anyway.
func withoutNetwork() *syscall.SysProcAttr { return nil }
