package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// Defaults of a source.
const (
	defaultSourceTimeout = 10 * time.Second
	defaultRefresh       = 5 * time.Minute
	defaultMaxAge        = 24 * time.Hour
	defaultMaxBytes      = 16 << 20
)

// Library keeps the references of a policy as they were read last.
type Library struct {
	log     *slog.Logger
	metrics *metrics
	client  *http.Client
	shelves map[string]*shelf
}

// shelf is one reference.
type shelf struct {
	name   string
	source Source

	mu    sync.Mutex
	book  *Book     // nil until it was read
	since time.Time // when it was read, or said to be unchanged

	known  version // of the book
	failed bool    // the last look at it, as was logged
}

// version is what a source says about what it has, for the next question.
type version struct{ tag, modified string }

// NewLibrary takes the references of a valid policy. It reads nothing yet.
func NewLibrary(p Policy, log *slog.Logger) *Library { return newLibrary(p, log, newMetrics(nil)) }

func newLibrary(p Policy, log *slog.Logger, m *metrics) *Library {
	l := &Library{log: log, metrics: m, shelves: map[string]*shelf{}, client: &http.Client{
		// A source is asked where the policy says, and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for name, source := range p.References {
		l.shelves[name] = &shelf{name: name, source: source}
	}
	return l
}

// Load reads all references once. One that cannot be read is missing from the
// books and told by the error.
func (l *Library) Load(ctx context.Context) error {
	errs := make([]error, 0, len(l.shelves))
	for _, s := range l.shelves {
		errs = append(errs, l.read(ctx, s))
	}
	return errors.Join(errs...)
}

// Run reads each reference again when it is due, until ctx ends.
func (l *Library) Run(ctx context.Context) {
	var readers sync.WaitGroup
	for _, s := range l.shelves {
		readers.Go(func() {
			every := time.NewTicker(orDuration(s.source.Refresh, defaultRefresh))
			defer every.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-every.C:
				}
				err := l.read(ctx, s)
				if ctx.Err() == nil {
					l.tell(s, err)
				}
			}
		})
	}
	readers.Wait()
}

// tell logs that a reference cannot be read, or can be again, once each.
func (l *Library) tell(s *shelf, err error) {
	switch failed := s.failed; {
	case err != nil && !failed:
		l.log.Warn("a reference cannot be read", "reference", s.name, "error", err)
	case err == nil && failed:
		l.log.Info("a reference can be read again", "reference", s.name)
	}
	s.failed = err != nil
}

// Books are the references that may be used now.
func (l *Library) Books() map[string]*Book {
	books := map[string]*Book{}
	for name, s := range l.shelves {
		s.mu.Lock()
		if s.book != nil && time.Since(s.since) <= orDuration(s.source.MaxAge, defaultMaxAge) {
			books[name] = s.book
		}
		s.mu.Unlock()
	}
	return books
}

// read reads one reference. What was read before stays if it fails.
func (l *Library) read(ctx context.Context, s *shelf) error {
	ctx, cancel := context.WithTimeout(ctx, orDuration(s.source.Timeout, defaultSourceTimeout))
	defer cancel()
	fetch := s.open
	if s.source.URL != "" {
		fetch = func(ctx context.Context) ([]byte, version, error) { return s.get(ctx, l.client) }
	}
	data, found, err := fetch(ctx)
	var book *Book
	if err == nil && data != nil {
		book, err = ReadBook(bytes.NewReader(data), s.source.Format)
	}
	if err != nil {
		l.metrics.reference(s.name, "failed")
		return fmt.Errorf("reference %s: %w", s.name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Now()
	if book == nil {
		l.metrics.reference(s.name, "unchanged")
		return nil
	}
	s.book, s.known = book, found
	l.metrics.reference(s.name, "read")
	registers, meters := book.Registers()
	l.log.Debug("read a reference", "reference", s.name, "registers", registers, "meters", meters)
	return nil
}

func (s *shelf) most() int64 {
	if s.source.MaxBytes > 0 {
		return s.source.MaxBytes
	}
	return defaultMaxBytes
}

// open reads a file. nil says that it is as it was.
func (s *shelf) open(context.Context) ([]byte, version, error) {
	info, err := os.Stat(s.source.File)
	if err != nil {
		return nil, version{}, err
	}
	found := version{modified: fmt.Sprint(info.Size(), info.ModTime().UnixNano())}
	if found == s.known {
		return nil, found, nil
	}
	file, err := os.Open(s.source.File)
	if err != nil {
		return nil, version{}, err
	}
	defer file.Close()
	data, err := readMost(file, s.most())
	return data, found, err
}

// get asks a server, and tells it what is known already.
func (s *shelf) get(ctx context.Context, client *http.Client) ([]byte, version, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.source.URL, nil)
	if err != nil {
		return nil, version{}, err
	}
	if s.known.tag != "" {
		request.Header.Set("If-None-Match", s.known.tag)
	}
	if s.known.modified != "" {
		request.Header.Set("If-Modified-Since", s.known.modified)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, version{}, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && s.known != (version{}) {
		return nil, s.known, nil
	}
	if response.StatusCode != http.StatusOK {
		return nil, version{}, fmt.Errorf("%s answered %s", request.URL.Host, response.Status)
	}
	data, err := readMost(response.Body, s.most())
	return data, version{response.Header.Get("ETag"), response.Header.Get("Last-Modified")}, err
}

func readMost(input io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(input, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("it has more than %d bytes, which max_bytes allows", most)
	}
	return data, nil
}

func orDuration(d Duration, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return time.Duration(d)
}
