package fsm

import (
	"strconv"
	"strings"

	"github.com/tallyvault/tallyvault/oracle"
)

// Limits of a command's times and nonces.
const (
	MaxSingleTTLMs    = 24 * 3_600_000
	MaxThresholdTTLMs = 30 * 24 * 3_600_000
	// MaxNonceGap is how far above the last nonce the next one may be.
	MaxNonceGap = 1 << 20
	// NumberedLanes is how many lanes every key has beside the meters'.
	NumberedLanes = 16
	// maxAheadMs is how far in the future a command may claim to be issued.
	maxAheadMs = 300_000
)

const meterLane = "m/"

// signers checks all signatures of a command and returns their keys, which
// are live and, for a threshold command, of distinct principals or not: that
// is judged later.
func (s *state) signers(c *Command) ([]*Key, *Refusal) {
	if c.refused != nil {
		return nil, c.refused
	}
	keys := make([]*Key, len(c.Sigs))
	for i, id := range c.KeyIDs {
		key, known := s.keys.Get(string(id[:]))
		if !known {
			return nil, refuse(UnknownKey, Field{"key", id.String()})
		}
		keys[i] = key
	}
	if signer := c.namedSigner(); signer != nil && *signer != c.KeyIDs[0] {
		return nil, refuse(SignatureInvalid, Field{"key", c.KeyIDs[0].String()}, Field{"reason", "other_signer"})
	}
	for i := range keys {
		if !c.verified(i, keys[i]) {
			return nil, refuse(SignatureInvalid, Field{"key", keys[i].ID.String()})
		}
	}
	for _, key := range keys {
		if !key.LiveAt(s.clock.height) {
			return nil, refuse(KeyRevoked, Field{"key", key.ID.String()}, number("height", s.clock.height), number("until", key.Until))
		}
	}
	return keys, nil
}

// checkPlace asks whether a command is meant for this cluster and era, and for now.
func (s *state) checkPlace(cluster [16]byte, era string, issuedAt, expiresAt, maxTTL int64) *Refusal {
	if cluster != s.genesis.Cluster {
		return refuse(WrongCluster, Field{"cluster", s.genesis.ClusterID()})
	}
	if era != s.era() {
		return refuse(WrongEra, Field{"era", s.era()})
	}
	if s.clock.now > expiresAt {
		return refuse(Expired, millis("expires_at", expiresAt), millis("now", s.clock.now))
	}
	if issuedAt <= 0 || expiresAt < issuedAt || expiresAt-issuedAt > maxTTL {
		return refuse(Expired, Field{"reason", "time_to_live"}, millis("max_ms", maxTTL))
	}
	return nil
}

// checkLane asks whether a key has the lane.
func (s *state) checkLane(key *Key, lane string) *Refusal {
	if meter, ok := strings.CutPrefix(lane, meterLane); ok {
		m, known := s.oracle.Meter(meter)
		if !known {
			return refuse(NotFound, Field{"kind", "meter"}, Field{"id", clip(meter)})
		}
		if m.Provider != key.Principal {
			return refuse(MeterMismatch, Field{"reason", "other_provider"}, Field{"meter", meter})
		}
		return nil
	}
	n, err := strconv.ParseUint(lane, 10, 8)
	if err != nil || n >= NumberedLanes || strconv.FormatUint(n, 10) != lane {
		return refuse(NotFound, Field{"kind", "lane"}, Field{"id", clip(lane)})
	}
	return nil
}

// checkNonce asks whether the nonce is the lane's next or little above.
func (s *state) checkNonce(key *Key, h *Header) *Refusal {
	last, _ := s.lanes.Get(laneKey(key.ID, h.Lane))
	if h.Nonce <= last {
		return refuse(NonceReplay, Field{"lane", h.Lane}, number("nonce", h.Nonce), number("last_nonce", last))
	}
	if h.Nonce-last > MaxNonceGap {
		return refuse(LimitExceeded, Field{"limit", "nonce_gap"}, number("max", MaxNonceGap), number("last_nonce", last))
	}
	return nil
}

// admitSingle asks all that comes before a single-signature command's nonce is
// consumed.
func (s *state) admitSingle(c *Command) (*Key, *Refusal) {
	keys, refusal := s.signers(c)
	if refusal != nil {
		return nil, refusal
	}
	h, key := c.Single(), keys[0]
	if refusal := s.checkPlace(h.Cluster, h.Era, h.IssuedAt, h.ExpiresAt, MaxSingleTTLMs); refusal != nil {
		return nil, refusal
	}
	// A reading's own rule tells its author by how much the clock is wrong; it
	// consumes the nonce, so that the author can go on counting.
	if c.Type != TypeSubmitReading && h.IssuedAt > s.clock.now+maxAheadMs {
		return nil, refuse(TimestampSkew, millis("now", s.clock.now), millis("issued_at", h.IssuedAt))
	}
	if refusal := s.checkLane(key, h.Lane); refusal != nil {
		return nil, refusal
	}
	return key, s.checkNonce(key, h)
}

// admitThreshold asks all that comes before a threshold command's own rule. It
// returns the names of the distinct principals who signed.
func (s *state) admitThreshold(c *Command) ([]string, *Refusal) {
	keys, refusal := s.signers(c)
	if refusal != nil {
		return nil, refusal
	}
	h := c.Threshold()
	if refusal := s.checkPlace(h.Cluster, h.Era, h.IssuedAt, h.ExpiresAt, MaxThresholdTTLMs); refusal != nil {
		return nil, refusal
	}
	if h.IssuedAt > s.clock.now+maxAheadMs {
		return nil, refuse(TimestampSkew, millis("now", s.clock.now), millis("issued_at", h.IssuedAt))
	}
	if _, spent := s.spent.Get(string(c.id[:])); spent {
		return nil, refuse(NonceReplay, Field{"reason", "judged"})
	}
	var names []string
	for _, key := range keys {
		if !key.Has(scopeThreshold) {
			return nil, refuse(Unauthorized, Field{"key", key.ID.String()}, Field{"role", key.Role}, Field{"scope", scopeThreshold})
		}
		if !contains(names, key.Principal) {
			names = append(names, key.Principal)
		}
	}
	if uint32(len(names)) < s.genesis.AdminThreshold {
		return nil, refuse(Unauthorized, number("required", uint64(s.genesis.AdminThreshold)), number("actual", uint64(len(names))))
	}
	return names, nil
}

// check asks everything that consumes nothing, as the door does at the leader.
func (s *state) check(c *Command) *Refusal {
	if c.refused != nil {
		return c.refused
	}
	if c.Single() != nil {
		_, refusal := s.admitSingle(c)
		return refusal
	}
	_, refusal := s.admitThreshold(c)
	return refusal
}

// checkBodyLane asks whether a reading travels on a numbered lane or on its
// own meter's.
func checkBodyLane(lane, meter string) *Refusal {
	if named, ok := strings.CutPrefix(lane, meterLane); ok && named != meter {
		return refuse(MeterMismatch, Field{"reason", "other_lane"}, Field{"meter", clip(meter)}, Field{"lane", lane})
	}
	return nil
}

func oracleClock(s *state) oracle.Clock {
	return oracle.Clock{Now: s.clock.now, Height: s.clock.height}
}
