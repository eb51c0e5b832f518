//go:build !linux

package diskspace

// Of has no portable way to ask.
func Of(string) (Space, error) { return Space{FileSystem: "unknown"}, nil }
