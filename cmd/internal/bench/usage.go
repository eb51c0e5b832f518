package bench

// usage is what a process has used so far.
type usage struct {
	cpuSeconds float64
	rss        int64 // resident memory now, in bytes
	anonymous  int64 // the part of it that is not backed by files
}
