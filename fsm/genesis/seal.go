package genesis

import (
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/hpke"
	"github.com/cloudflare/circl/sign/ed25519"
)

var (
	errPossession = errors.New("proof of possession does not verify")
	sealInfo      = []byte("tallyvault log key v1")
)

// SealedKey is the log key's seed, readable by one node.
type SealedKey struct {
	Node       string `json:"node"`
	Enc        []byte `json:"enc"`
	Ciphertext []byte `json:"ciphertext"`
}

func suite() hpke.Suite {
	return hpke.NewSuite(hpke.KEM_X25519_HKDF_SHA256, hpke.KDF_HKDF_SHA256, hpke.AEAD_ChaCha20Poly1305)
}

// SealLogKey encrypts the log key's seed to a node's sealing key. The node's
// name is authenticated with it.
func SealLogKey(random io.Reader, key ed25519.PrivateKey, n Node) (SealedKey, error) {
	public, err := hpke.KEM_X25519_HKDF_SHA256.Scheme().UnmarshalBinaryPublicKey(n.SealingKey[:])
	if err != nil {
		return SealedKey{}, fmt.Errorf("sealing key of %s: %w", n.Name, err)
	}
	sender, err := suite().NewSender(public, sealInfo)
	if err != nil {
		return SealedKey{}, err
	}
	enc, sealer, err := sender.Setup(random)
	if err != nil {
		return SealedKey{}, err
	}
	ciphertext, err := sealer.Seal(key.Seed(), []byte(n.Name))
	return SealedKey{Node: n.Name, Enc: enc, Ciphertext: ciphertext}, err
}

// Lengths of a sealed log key's parts: an X25519 key, and a seed with its tag.
const (
	sealedEncSize        = 32
	sealedCiphertextSize = ed25519.SeedSize + 16
)

// WellFormed reports whether the parts have their lengths. Only the node that it
// is for can tell more.
func (k SealedKey) WellFormed() bool {
	return len(k.Enc) == sealedEncSize && len(k.Ciphertext) == sealedCiphertextSize
}

// OpenLogKey decrypts the log key with a node's X25519 private key and checks
// that it is the one that genesis names.
func (g *Genesis) OpenLogKey(node string, sealingKey [32]byte) (ed25519.PrivateKey, error) {
	for _, sealed := range g.SealedLogKeys {
		if sealed.Node == node {
			return g.OpenSealed(sealed, sealingKey)
		}
	}
	return nil, fmt.Errorf("genesis holds no sealed log key for node %s", node)
}

// OpenSealed decrypts a log key that was sealed later, for a node that genesis does
// not name, and checks that it is the one that genesis names.
func (g *Genesis) OpenSealed(sealed SealedKey, sealingKey [32]byte) (ed25519.PrivateKey, error) {
	private, err := hpke.KEM_X25519_HKDF_SHA256.Scheme().UnmarshalBinaryPrivateKey(sealingKey[:])
	if err != nil {
		return nil, fmt.Errorf("sealing key: %w", err)
	}
	receiver, err := suite().NewReceiver(private, sealInfo)
	if err != nil {
		return nil, err
	}
	opener, err := receiver.Setup(sealed.Enc)
	if err != nil {
		return nil, fmt.Errorf("sealed log key of %s: %w", sealed.Node, err)
	}
	seed, err := opener.Open(sealed.Ciphertext, []byte(sealed.Node))
	if err != nil {
		return nil, fmt.Errorf("sealed log key of %s does not open with this node's sealing key: %w", sealed.Node, err)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("sealed log key has the wrong length")
	}
	key := ed25519.NewKeyFromSeed(seed)
	if string(key.Public().(ed25519.PublicKey)) != string(g.LogKey[:]) {
		return nil, errors.New("sealed log key is not the log key that genesis names")
	}
	return key, nil
}
