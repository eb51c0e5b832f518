package api

import (
	stded25519 "crypto/ed25519"
	"fmt"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"github.com/golang-jwt/jwt/v5"

	"github.com/tallyvault/tallyvault/fsm/envelope"
)

// MaxTokenLife is the longest time from iat to exp.
const MaxTokenLife = 5 * time.Minute

// Claims are what a reading token states: for whom it is (aud, the cluster) and
// for how long. Who made it is in the header: kid, the key id.
type Claims = jwt.RegisteredClaims

// SignToken makes a token that lets its bearer read as the owner of key. The
// server accepts it while the key is live and may read.
func SignToken(key ed25519.PrivateKey, cluster string, now time.Time, life time.Duration) (string, error) {
	if life <= 0 || life > MaxTokenLife {
		return "", fmt.Errorf("life of a token is %s, want more than 0 and at most %s", life, MaxTokenLife)
	}
	public := key.Public().(ed25519.PublicKey)
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, Claims{
		Audience:  jwt.ClaimStrings{cluster},
		IssuedAt:  jwt.NewNumericDate(now),
		ExpiresAt: jwt.NewNumericDate(now.Add(life)),
	})
	token.Header["kid"] = envelope.KeyIDOf(public).String()
	// circl's keys have the layout of the standard library's: seed, public key.
	text, err := token.SignedString(stded25519.PrivateKey(key))
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return text, nil
}
