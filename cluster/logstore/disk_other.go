//go:build unix && !linux

package logstore

import "os"

// syncData makes a file's content durable.
func syncData(f *os.File) error { return f.Sync() }

// readFromDisk makes sure that what is read next is on disk.
func readFromDisk(f *os.File) error { return f.Sync() }
