package transport

import (
	stded25519 "crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

func TestTokens(t *testing.T) {
	g := testGenesis(t, "tokens")
	m, err := fsm.New(g)
	if err != nil {
		t.Fatal(err)
	}
	subject := tokenSubject{cluster: g.ClusterID(), height: m.View().Height(), keys: m.Keys()}
	now := time.UnixMilli(1_764_000_100_000)
	ada := testKey("ada")
	kid := func(name string) string {
		public := publicOf(testKey(name))
		return envelope.KeyIDOf(public[:]).String()
	}
	claims := func(change func(*api.Claims)) api.Claims {
		c := api.Claims{
			Audience: jwt.ClaimStrings{g.ClusterID()}, IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Minute)),
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	sign := func(method jwt.SigningMethod, key any, kid any, c api.Claims) string {
		token := jwt.NewWithClaims(method, c)
		if kid != nil {
			token.Header["kid"] = kid
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + text
	}
	private := stded25519.PrivateKey(ada)
	good := sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(nil))
	public := publicOf(ada)
	signed, err := api.SignToken(ada, g.ClusterID(), now, api.MaxTokenLife)
	if err != nil {
		t.Fatal(err)
	}

	tests := []struct {
		name   string
		header string
		at     time.Time
		code   fsm.Code // "" means admitted
		status int
	}{
		{"good", good, now, "", 0},
		{"made by SignToken", "Bearer " + signed, now, "", 0},
		{"at the end of its life", "Bearer " + signed, now.Add(api.MaxTokenLife), "", 0},
		{"maker's clock a little ahead", good, now.Add(-clockSlack + time.Second), "", 0},
		{"none", "", now, fsm.Unauthorized, 401},
		{"other scheme", "Basic YWRhOg==", now, fsm.Unauthorized, 401},
		{"empty bearer", "Bearer ", now, fsm.MalformedPayload, 401},
		{"no token at all", "Bearer x.y", now, fsm.MalformedPayload, 401},
		{"too long", "Bearer " + strings.Repeat("a", maxTokenBytes+1), now, fsm.MalformedPayload, 401},
		{"expired", good, now.Add(time.Minute + clockSlack + time.Second), fsm.Expired, 401},
		{"from the future", good, now.Add(-clockSlack - time.Second), fsm.Expired, 401},
		{"lives too long", sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(func(c *api.Claims) {
			c.ExpiresAt = jwt.NewNumericDate(now.Add(api.MaxTokenLife + time.Second))
		})), now, fsm.Expired, 401},
		{"no end", sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(func(c *api.Claims) { c.ExpiresAt = nil })), now, fsm.MalformedPayload, 401},
		{"no beginning", sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(func(c *api.Claims) { c.IssuedAt = nil })), now, fsm.MalformedPayload, 401},
		{"not yet valid", sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(func(c *api.Claims) {
			c.NotBefore = jwt.NewNumericDate(now.Add(clockSlack + time.Second))
		})), now, fsm.MalformedPayload, 401},
		{"other cluster", sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(func(c *api.Claims) { c.Audience = jwt.ClaimStrings{"00"} })), now, fsm.WrongCluster, 401},
		{"no audience", sign(jwt.SigningMethodEdDSA, private, kid("ada"), claims(func(c *api.Claims) { c.Audience = nil })), now, fsm.MalformedPayload, 401},
		{"alg none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid("ada"), claims(nil)), now, fsm.SignatureInvalid, 401},
		{"HMAC with the public key", sign(jwt.SigningMethodHS256, public[:], kid("ada"), claims(nil)), now, fsm.SignatureInvalid, 401},
		{"somebody else's signature", sign(jwt.SigningMethodEdDSA, stded25519.PrivateKey(testKey("alice")), kid("ada"), claims(nil)), now, fsm.SignatureInvalid, 401},
		{"unknown key", sign(jwt.SigningMethodEdDSA, stded25519.PrivateKey(testKey("eve")), kid("eve"), claims(nil)), now, fsm.UnknownKey, 401},
		{"no kid", sign(jwt.SigningMethodEdDSA, private, nil, claims(nil)), now, fsm.MalformedPayload, 401},
		{"kid is no text", sign(jwt.SigningMethodEdDSA, private, 7, claims(nil)), now, fsm.MalformedPayload, 401},
		{"kid in upper case", sign(jwt.SigningMethodEdDSA, private, strings.ToUpper(kid("ada")), claims(nil)), now, fsm.MalformedPayload, 401},
		{"signature altered", good[:len(good)-4] + "AAAA", now, fsm.SignatureInvalid, 401},
		{"signature cut short", good[:len(good)-5], now, fsm.MalformedPayload, 401},
		{"node key", sign(jwt.SigningMethodEdDSA, stded25519.PrivateKey(testKey("node-a")), kid("node-a"), claims(nil)), now, fsm.UnknownKey, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, p := readerOf(tt.header, subject, tt.at)
			if tt.code == "" {
				if p != nil || r.principal != "ada" {
					t.Errorf("refused with %v, reader %+v", p, r)
				}
				return
			}
			if p == nil {
				t.Fatalf("admitted as %+v", r)
			}
			if p.Code != string(tt.code) || p.Status != tt.status {
				t.Errorf("%s with %d (%s), want %s with %d", p.Code, p.Status, p.Detail, tt.code, tt.status)
			}
		})
	}
}

func TestSignTokenBoundsItsLife(t *testing.T) {
	for _, life := range []time.Duration{0, -time.Second, api.MaxTokenLife + 1} {
		if _, err := api.SignToken(testKey("ada"), "c", time.Now(), life); err == nil {
			t.Errorf("a token of %s was made", life)
		}
	}
}
