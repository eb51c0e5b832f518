package nodedir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Names in a node's directory.
const (
	keysDir       = "keys"
	nodeKey       = "node.key"
	cosignerKey   = "cosigner.key"
	sealingKey    = "sealing.key"
	statementFile = "node.json"
	genesisFile   = "genesis.json"
	joinFile      = "join.json"
	clusterFile   = "cluster.json"
	journalDir    = "journal"
	maxStatement  = 64 << 10
)

// Seat is what an operator decides about a node.
type Seat struct {
	Name        string
	PeerAddress string // host:port where the other nodes reach it
	APIAddress  string // https URL of its API
}

// Init makes a node's keys and its signed statement in dir, which is made if it
// does not exist. The passphrase encrypts the keys unless it is empty.
func Init(dir string, seat Seat, passphrase string, random io.Reader) (genesis.Node, error) {
	var keys [3]keyfile.Key
	for i, kind := range []keyfile.Kind{keyfile.Ed25519, keyfile.Ed25519, keyfile.X25519} {
		key, err := keyfile.Generate(kind, random)
		if err != nil {
			return genesis.Node{}, err
		}
		keys[i] = key
	}
	n := genesis.Node{
		Name: seat.Name, PeerAddress: seat.PeerAddress, APIAddress: seat.APIAddress,
		NodeKey: keys[0].Public, CosignerKey: keys[1].Public, SealingKey: keys[2].Public,
	}
	// Signing checks name and addresses too, so that a wrong one leaves no files.
	signed, err := genesis.SignNode(n, keys[0].Ed25519(), keys[1].Ed25519())
	if err != nil {
		return genesis.Node{}, err
	}
	if err := prepare(dir); err != nil {
		return genesis.Node{}, err
	}
	for i, name := range []string{nodeKey, cosignerKey, sealingKey} {
		if err := keyfile.Write(filepath.Join(dir, keysDir, name), keys[i], passphrase); err != nil {
			return genesis.Node{}, err
		}
	}
	// The statement comes last: where it stands, the keys are complete.
	path := filepath.Join(dir, statementFile)
	if err := smallfile.Replace(path, bytes.NewReader(append(signed.JSON(), '\n'))); err != nil {
		return genesis.Node{}, fmt.Errorf("writing the node's statement: %w", err)
	}
	return n, nil
}

// prepare makes the directories and refuses one in which a node lives already.
func prepare(dir string) error {
	for _, name := range []string{statementFile, filepath.Join(keysDir, nodeKey), genesisFile, clusterFile} {
		_, err := os.Lstat(filepath.Join(dir, name))
		if err == nil {
			return fmt.Errorf("%s holds a node already (%s): choose another directory", dir, name)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("looking at the node's directory: %w", err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, keysDir)} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("making the node's directory: %w", err)
		}
	}
	return nil
}
