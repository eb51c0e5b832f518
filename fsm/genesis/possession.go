package genesis

import (
	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/signature"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// PossessionPayloadType is the payload type of a proof of possession.
const PossessionPayloadType = "application/vnd.tallyvault.possession.v1+json"

// Possession is what a key signs to show that its owner asks for exactly this
// principal and role in exactly this cluster (zeros before genesis).
type Possession struct {
	Cluster   [16]byte `json:"cluster"`
	Principal string   `json:"principal"`
	Role      string   `json:"role"`
	Key       [32]byte `json:"key"`
}

var possessionCodec = strict.Compile(Possession{})

// Prove signs the statement with the key it names.
func (p Possession) Prove(key ed25519.PrivateKey) [signature.Size]byte {
	return envelope.Sign(key, PossessionPayloadType, possessionCodec.Append(nil, &p)).Sig
}

// Check verifies a proof and the registration rule of the key.
func (p Possession) Check(proof *[signature.Size]byte) error {
	key, err := signature.CheckPublicKey(p.Key)
	if err != nil {
		return err
	}
	if !p.ProvedBy(key, proof) {
		return errPossession
	}
	return nil
}

// ProvedBy verifies a proof by the key that the statement names.
func (p Possession) ProvedBy(key *signature.PublicKey, proof *[signature.Size]byte) bool {
	return key.Raw() == p.Key && key.Verify(envelope.PAE(PossessionPayloadType, possessionCodec.Append(nil, &p)), proof)
}
