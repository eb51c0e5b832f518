package compose

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Lives of commands unless somebody wants another. A single-signature command
// is sent at once; a threshold command waits for people.
const (
	SingleLife    = time.Hour
	ThresholdLife = 7 * 24 * time.Hour
)

// Place is where and when a command is to count.
type Place struct {
	Cluster [16]byte
	Era     string
	Now     time.Time
	Life    time.Duration // 0: the usual one
}

// In is the place of a cluster's first era.
func In(g *genesis.Signed, now time.Time) (Place, error) {
	m, err := fsm.New(g)
	if err != nil {
		return Place{}, err
	}
	return Place{Cluster: g.Cluster, Era: m.View().Era(), Now: now}, nil
}

// Single is the header of a single-signature command. signer is the key that
// will sign it; nil leaves that open, at the price that somebody else who says
// the same at the same time makes the same command.
func (p Place) Single(lane string, nonce uint64, signer *envelope.KeyID) fsm.Header {
	life := p.Life
	if life == 0 {
		life = SingleLife
	}
	return fsm.Header{
		Cluster: p.Cluster, Era: p.Era, Lane: lane, Nonce: nonce,
		IssuedAt: p.Now.UnixMilli(), ExpiresAt: p.Now.Add(life).UnixMilli(), Signer: (*[16]byte)(signer),
	}
}

// Threshold is the header of a threshold command, with a salt of its own: two
// deposits of the same amount are then two commands.
func (p Place) Threshold() (fsm.ThresholdHeader, error) {
	life := p.Life
	if life == 0 {
		life = ThresholdLife
	}
	h := fsm.ThresholdHeader{
		Cluster: p.Cluster, Era: p.Era,
		IssuedAt: p.Now.UnixMilli(), ExpiresAt: p.Now.Add(life).UnixMilli(),
	}
	if _, err := rand.Read(h.Salt[:]); err != nil {
		return h, fmt.Errorf("drawing a salt: %w", err)
	}
	return h, nil
}
