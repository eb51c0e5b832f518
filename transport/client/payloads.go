package client

import (
	"time"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Reading is what a meter showed at a moment. Register counts 10^-decimals of the
// market's unit, as the meter's registration says.
type Reading struct {
	Market, Meter string
	Register      uint64
	MeasuredAt    time.Time
	// ClockSync and MeterStatus are the meter's words about itself, up to 32 letters,
	// digits, dots, dashes and underlines, e.g. "ntp" and "ok"; "" says nothing.
	ClockSync, MeterStatus string
	// Supersedes is the identity of a pending reading of the same meter and moment
	// that this one replaces.
	Supersedes *envelope.Identity
}

// MeterLane is the lane on which a provider's key submits readings of a meter.
func MeterLane(meter string) string { return "m/" + meter }

// Reading signs a submission of a reading on its meter's lane.
func (s Signer) Reading(r Reading, nonce uint64, now time.Time, ttl time.Duration) (envelope.Envelope, error) {
	return s.Build(&fsm.SubmitReading{
		Market: r.Market, Meter: r.Meter, Register: r.Register, MeasuredAt: r.MeasuredAt.UnixMilli(),
		Quality: fsm.Quality{ClockSync: r.ClockSync, MeterStatus: r.MeterStatus}, Supersedes: (*[32]byte)(r.Supersedes),
	}, MeterLane(r.Meter), nonce, now, ttl)
}

// Rotation signs the replacement of the signer's key by another of the same
// principal and role; the old key stays valid for so many heights.
func (s Signer) Rotation(principal, role string, next ed25519.PrivateKey, overlap uint64, lane string, nonce uint64, now time.Time, ttl time.Duration) (envelope.Envelope, error) {
	public := [32]byte(next.Public().(ed25519.PublicKey))
	possession := genesis.Possession{Cluster: s.Cluster, Principal: principal, Role: role, Key: public}
	return s.Build(&fsm.RotateKey{PublicKey: public, Proof: possession.Prove(next), OverlapBlocks: overlap}, lane, nonce, now, ttl)
}

// Revocation signs the end of a key of the signer's principal, which may be the
// signer's own.
func (s Signer) Revocation(key envelope.KeyID, lane string, nonce uint64, now time.Time, ttl time.Duration) (envelope.Envelope, error) {
	return s.Build(&fsm.RevokeKey{Key: [16]byte(key)}, lane, nonce, now, ttl)
}
