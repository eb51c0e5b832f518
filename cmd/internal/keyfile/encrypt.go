package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/tallyvault/tallyvault/transport/client/keytext"
)

const (
	// workFactor is the binary logarithm of scrypt's cost for new files: about
	// a second on a current machine, and age's own default.
	workFactor = 18

	// maxWorkFactor keeps a file made by somebody else from holding the program
	// up for minutes.
	maxWorkFactor = 20

	// maxPlain bounds what comes out of an encrypted file.
	maxPlain = 16 << 10
)

// ErrPassphrase says that a passphrase does not open a file.
var ErrPassphrase = errors.New("wrong passphrase")

func encrypt(content []byte, passphrase string, factor int) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(factor)
	var sealed bytes.Buffer
	armored := armor.NewWriter(&sealed)
	plain, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := plain.Write(content); err != nil {
		return nil, err
	}
	if err := plain.Close(); err != nil {
		return nil, err
	}
	if err := armored.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

func decrypt(content []byte, passphrase string) ([]byte, error) {
	if passphrase == "" {
		return nil, fmt.Errorf("%w: it is empty and the file is encrypted", ErrPassphrase)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(maxWorkFactor)
	opened, err := age.Decrypt(armor.NewReader(bytes.NewReader(content)), identity)
	var mismatch *age.NoIdentityMatchError
	switch {
	case errors.As(err, &mismatch):
		return nil, fmt.Errorf("%w (or the file was encrypted in another way): %w", ErrPassphrase, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", keytext.ErrDamaged, err)
	}
	plain, err := io.ReadAll(io.LimitReader(opened, maxPlain))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keytext.ErrDamaged, err)
	}
	return plain, nil
}
