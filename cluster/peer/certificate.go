package peer

import (
	stded25519 "crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
)

// The two protocols of the port, as ALPN names them.
const (
	protocolRaft  = "tallyvault-raft/1"
	protocolCalls = "tallyvault-peer/1"
)

// certificate makes the certificate that carries a node key. Its validity is
// open because nobody looks at it; see the package documentation.
func certificate(name string, key ed25519.PrivateKey) (tls.Certificate, error) {
	if len(key) != ed25519.PrivateKeySize {
		return tls.Certificate{}, errors.New("the node key is not an Ed25519 private key")
	}
	// The standard library signs handshakes with its own key type, whose bytes
	// are laid out like circl's.
	private := stded25519.PrivateKey(key)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make a certificate from the node key: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, nil
}

// serverName is what a handshake calls the cluster.
func serverName(cluster [16]byte) string { return hex.EncodeToString(cluster[:]) }

// presentedKey is the public key that the other side proved to hold.
func presentedKey(state tls.ConnectionState) ([32]byte, error) {
	if len(state.PeerCertificates) == 0 {
		return [32]byte{}, errors.New("the peer shows no certificate")
	}
	key, ok := state.PeerCertificates[0].PublicKey.(stded25519.PublicKey)
	if !ok || len(key) != stded25519.PublicKeySize {
		return [32]byte{}, errors.New("the peer's certificate holds no Ed25519 key")
	}
	return [32]byte(key), nil
}

// serverTLS is the listening side's rule: this cluster, a member's key, and one
// of the two protocols.
func (p *Port) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{p.certificate},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		NextProtos:             []string{protocolRaft, protocolCalls},
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.ServerName != serverName(p.cluster) {
				return &refusal{reasonCluster}
			}
			key, err := presentedKey(state)
			if err != nil {
				return err
			}
			if _, ok := p.memberByKey(key); !ok {
				return &refusal{reasonUnknown}
			}
			return nil
		},
	}
}

// clientTLS is the dialling side's rule: exactly the member that was meant.
func (p *Port) clientTLS(member Member, protocol string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{p.certificate},
		ServerName:             serverName(p.cluster),
		SessionTicketsDisabled: true,
		NextProtos:             []string{protocol},
		// The chain and the names are not looked at; VerifyConnection pins the key,
		// and the handshake itself proves that the peer holds it.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			key, err := presentedKey(state)
			if err != nil {
				return err
			}
			if key != member.Key {
				return fmt.Errorf("the node at %s does not hold the node key of %s", member.Address, member.Name)
			}
			if state.NegotiatedProtocol != protocol {
				return fmt.Errorf("%s does not speak %s", member.Name, protocol)
			}
			return nil
		},
	}
}
