package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"golang.org/x/sync/errgroup"
)

// mostProfiled is how long a processor profile gets, the most that a node gives.
const mostProfiled = 2 * time.Minute

// profile records where this process and the nodes spend their time in the next
// window, so that what is signed before it is not in the picture. The caller calls
// the result when the window has ended.
func (p *phase) profile(ctx context.Context, length time.Duration) (end func() error, err error) {
	dir := p.profiles
	if p.profiles = ""; dir == "" || !p.site.own() {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	own, err := os.Create(filepath.Join(dir, "bench.pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(own); err != nil {
		return nil, errors.Join(err, own.Close())
	}
	length = max(min(length, mostProfiled), time.Second)
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range p.site.nodes {
		group.Go(func() error {
			err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", n.ops, int(length.Seconds())),
				filepath.Join(dir, n.name+".pprof"))
			if err != nil {
				return fmt.Errorf("profile of %s: %w", n.name, err)
			}
			return nil
		})
	}
	return func() error {
		pprof.StopCPUProfile()
		return errors.Join(group.Wait(), own.Close())
	}, nil
}

// fetch writes the answer to a request into a file.
func fetch(ctx context.Context, url, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with status %d", response.StatusCode)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}

// heaps writes what each node's memory holds, as of its last collection of garbage,
// into a directory beside the profiles of the processor.
func (p *phase) heaps(ctx context.Context, below string) error {
	if p.config.Profiles == "" || !p.site.own() {
		return nil
	}
	for _, n := range p.site.nodes {
		err := fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/heap", n.ops), filepath.Join(p.config.Profiles, below, n.name+".heap.pprof"))
		if err != nil {
			return fmt.Errorf("heap profile of %s: %w", n.name, err)
		}
	}
	return nil
}
