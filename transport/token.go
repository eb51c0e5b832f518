package transport

import (
	stded25519 "crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

// clockSlack is how far the clock of who makes a token may be off.
const clockSlack = 30 * time.Second

// A Reader may read what is not public. Only [Door.reader] makes one, so a
// function that takes a Reader cannot be reached by anybody else.
type Reader struct {
	principal string // "" when reads are configured public
	key       envelope.KeyID
	until     time.Time // when its token ends; zero when reads are configured public
}

// tokenSubject is what a token is judged against: a state of the key table.
type tokenSubject struct {
	cluster string // hex
	height  uint64
	keys    *fsm.Keys
}

// readerOf checks an Authorization header. It answers 401 when the token proves
// nothing and 403 when it proves a key that may not read.
func readerOf(authorization string, subject tokenSubject, now time.Time) (Reader, *api.Problem) {
	text, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return Reader{}, unauthenticated(fsm.Unauthorized, "no bearer token: make one with tallyvault token")
	}
	if len(text) > maxTokenBytes {
		return Reader{}, unauthenticated(fsm.MalformedPayload, fmt.Sprintf("token is longer than %d bytes", maxTokenBytes))
	}
	var found *fsm.Key
	var claims api.Claims
	_, err := tokenParser(subject.cluster, now).ParseWithClaims(text, &claims, func(token *jwt.Token) (any, error) {
		var err error
		found, err = keyOf(token, subject.keys)
		if err != nil {
			return nil, err
		}
		public := found.Public()
		return stded25519.PublicKey(public[:]), nil
	})
	if err != nil {
		return Reader{}, unauthenticated(tokenCode(err), err.Error())
	}
	if claims.IssuedAt == nil {
		return Reader{}, unauthenticated(fsm.MalformedPayload, "token has no iat")
	}
	if life := claims.ExpiresAt.Sub(claims.IssuedAt.Time); life > api.MaxTokenLife {
		return Reader{}, unauthenticated(fsm.Expired, fmt.Sprintf("token lives %s, more than %s", life, api.MaxTokenLife))
	}
	r, p := allowed(found, subject.height)
	r.key, r.until = found.ID, claims.ExpiresAt.Time
	return r, p
}

// allowed judges a key whose possession is proven.
func allowed(key *fsm.Key, height uint64) (Reader, *api.Problem) {
	if !key.LiveAt(height) {
		return Reader{}, problem(fsm.KeyRevoked, fsm.Field{Name: "key", Value: key.ID.String()})
	}
	if !key.Has(fsm.ScopeRead) {
		return Reader{}, problem(fsm.Unauthorized,
			fsm.Field{Name: "key", Value: key.ID.String()}, fsm.Field{Name: "scope", Value: fsm.ScopeRead})
	}
	return Reader{principal: key.Principal}, nil
}

// tokenParser pins the algorithm, so that a token cannot choose how it is
// checked ("none", or an HMAC with the public key as its secret).
func tokenParser(cluster string, now time.Time) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(cluster),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(clockSlack),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
}

var errUnknownTokenKey = errors.New("kid names no registered key")

func keyOf(token *jwt.Token, keys *fsm.Keys) (*fsm.Key, error) {
	kid, ok := token.Header["kid"].(string)
	if !ok {
		return nil, errors.New("token header has no kid")
	}
	id, err := envelope.ParseKeyID(kid)
	if err != nil {
		return nil, fmt.Errorf("kid: %w", err)
	}
	key, ok := keys.Get(id)
	if !ok {
		return nil, errUnknownTokenKey
	}
	return key, nil
}

func tokenCode(err error) fsm.Code {
	switch {
	case errors.Is(err, errUnknownTokenKey):
		return fsm.UnknownKey
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return fsm.SignatureInvalid
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return fsm.WrongCluster
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return fsm.Expired
	}
	return fsm.MalformedPayload
}

func unauthenticated(code fsm.Code, detail string) *api.Problem {
	p := problem(code, fsm.Field{Name: "token", Value: detail})
	p.Status = http.StatusUnauthorized
	return p
}
