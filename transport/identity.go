package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/transport/api"
)

// How often the certificate files are looked at, and how old a statement of
// pins may become before it is signed anew.
const (
	certificateCheck = 2 * time.Second
	pinsRefresh      = 24 * time.Hour
	// pinsAhead is how far in the future pins may have been signed before they are
	// signed anew: a node whose clock is ahead learns so from its first tick, and
	// its pins must not last longer than others'.
	pinsAhead = time.Minute
)

// identity is what the door shows in TLS: a certificate, given by the operator
// or made by the node itself, and the statement that pins its key.
type identity struct {
	config identityConfig

	mu     sync.Mutex // held while files are read and things replaced
	stamps [2]fileStamp
	signed time.Time

	shown atomic.Pointer[shown]
}

type identityConfig struct {
	certFile, keyFile string // both or none
	dir               string // where a self-made certificate is kept
	hosts             []string
	cluster           [16]byte
	node              string
	nodeKey           ed25519.PrivateKey
	log               *slog.Logger
}

// shown is replaced as a whole, so that a handshake sees one or the other.
type shown struct {
	certificate *tls.Certificate
	pins        json.RawMessage
}

// fileStamp tells cheaply that a file was replaced.
type fileStamp struct {
	modified time.Time
	size     int64
}

func newIdentity(c identityConfig, now time.Time) (*identity, error) {
	if (c.certFile == "") != (c.keyFile == "") {
		return nil, fmt.Errorf("a TLS certificate and its key must be given together")
	}
	i := &identity{config: c}
	if err := i.refresh(now); err != nil {
		return nil, err
	}
	return i, nil
}

// current is what handshakes use.
func (i *identity) current() *shown { return i.shown.Load() }

func (i *identity) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return i.current().certificate, nil
		},
	}
}

// watch takes up a replaced certificate until ctx ends, and keeps the pins in force
// by a clock. A pair that does not
// load (half of it may have been written) leaves the old one in use.
func (i *identity) watch(ctx context.Context, clock func() time.Time) {
	ticker := time.NewTicker(certificateCheck)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := i.refresh(clock()); err != nil {
				i.config.log.Warn("keeping the TLS certificate in use", "error", err)
			}
		}
	}
}

// refresh loads the certificate if its files changed or its end is near, and
// signs the pins anew if they are new or old.
func (i *identity) refresh(now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	stamps, err := i.look()
	if err != nil {
		return err
	}
	old := i.shown.Load()
	renewed := old == nil || stamps != i.stamps || i.nearEnd(old.certificate.Leaf, now)
	age := now.Sub(i.signed)
	if !renewed && age > -pinsAhead && age < pinsRefresh {
		return nil
	}
	certificate := (*tls.Certificate)(nil)
	if !renewed {
		certificate = old.certificate
	} else if certificate, err = i.load(now); err != nil {
		return err
	}
	i.shown.Store(&shown{certificate: certificate, pins: i.statement(certificate.Leaf, now)})
	if old != nil && renewed {
		i.config.log.Info("the TLS certificate was replaced", "ends", certificate.Leaf.NotAfter)
	}
	// Making a certificate changes its file: look again, or it would be loaded twice.
	i.stamps, err = i.look()
	i.signed = now
	return err
}

func (i *identity) nearEnd(leaf *x509.Certificate, now time.Time) bool {
	return i.config.certFile == "" && now.Add(renewBefore).After(leaf.NotAfter)
}

func (i *identity) load(now time.Time) (*tls.Certificate, error) {
	if i.config.certFile != "" {
		return loadPair(i.config.certFile, i.config.keyFile)
	}
	return selfMade(i.config.dir, i.config.hosts, now)
}

// look stamps the operator's files. The node's own files change by its own
// hand only.
func (i *identity) look() ([2]fileStamp, error) {
	var stamps [2]fileStamp
	if i.config.certFile == "" {
		return stamps, nil
	}
	for n, file := range []string{i.config.certFile, i.config.keyFile} {
		info, err := os.Stat(file) // follows links, since certificate tools replace their targets
		if err != nil {
			return stamps, fmt.Errorf("looking at the TLS files: %w", err)
		}
		stamps[n] = fileStamp{modified: info.ModTime(), size: info.Size()}
	}
	return stamps, nil
}

// statement signs the pin of the key in use. An operator's certificate is pinned
// too: a client that trusts the genesis then needs no authority.
func (i *identity) statement(leaf *x509.Certificate, now time.Time) json.RawMessage {
	pins := api.NewPins(i.config.cluster, i.config.node, []api.Pin{api.PinOf(leaf)}, now)
	return pins.Sign(i.config.nodeKey).JSON()
}
