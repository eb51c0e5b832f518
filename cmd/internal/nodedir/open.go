package nodedir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Dir is an opened node directory with its private keys in memory.
type Dir struct {
	Path                    string
	Statement               genesis.Node
	Node, Cosigner, Sealing keyfile.Key
	// Join is the command that lets in a node which genesis does not name.
	Join   *fsm.ReplaceNode
	joinID fsm.Identity
}

// Open reads statement and keys and holds them against each other. ask answers
// for encrypted keys, see keyfile.Read.
func Open(path string, ask func(prompt string) (string, error)) (*Dir, error) {
	d := &Dir{Path: path}
	var err error
	if d.Statement, err = ReadStatement(filepath.Join(path, statementFile)); err != nil {
		return nil, fmt.Errorf("opening the node in %s (is it one that \"tallyvault node init\" made? if its node.json is damaged, put the copy back that the committee has): %w", path, err)
	}
	for _, k := range []struct {
		name   string
		kind   keyfile.Kind
		public [32]byte
		into   *keyfile.Key
	}{
		{nodeKey, keyfile.Ed25519, d.Statement.NodeKey, &d.Node},
		{cosignerKey, keyfile.Ed25519, d.Statement.CosignerKey, &d.Cosigner},
		{sealingKey, keyfile.X25519, d.Statement.SealingKey, &d.Sealing},
	} {
		file := filepath.Join(path, keysDir, k.name)
		key, err := keyfile.Read(file, ask)
		if err != nil {
			return nil, fmt.Errorf("%w (put its copy back if there is one; without its keys a node must be replaced, see runbooks/replace-node.md)", err)
		}
		if key.Kind != k.kind || key.Public != k.public {
			return nil, fmt.Errorf("%s is not the key that %s names: the files of two nodes are mixed, or one is damaged (put its copy back; without its keys a node must be replaced, see runbooks/replace-node.md)", file, filepath.Join(path, statementFile))
		}
		*k.into = key
	}
	return d, nil
}

// ReadStatement reads a node statement (node.json) and verifies it.
func ReadStatement(path string) (genesis.Node, error) {
	data, err := smallfile.Read(path, maxStatement)
	if err != nil {
		return genesis.Node{}, err
	}
	n, err := genesis.ParseNode(data)
	if err != nil {
		return genesis.Node{}, fmt.Errorf("%s: %w", path, smallfile.Other(err, data))
	}
	return n, nil
}

// Genesis is the genesis this directory belongs to, nil before the first start.
func (d *Dir) Genesis() (*genesis.Signed, error) {
	path := filepath.Join(d.Path, genesisFile)
	data, err := smallfile.Read(path, envelope.MaxJSON)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the directory's genesis: %w", err)
	}
	own, err := genesis.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged (take it from another node; it is the same on all): %w", path, err)
	}
	if err := d.member(own); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return own, nil
}

// Adopt settles which genesis the node runs with. The first one is copied into
// the directory; later ones must be the same, and given may then be nil.
func (d *Dir) Adopt(given *genesis.Signed) (*genesis.Signed, error) {
	own, err := d.Genesis()
	if err != nil {
		return nil, err
	}
	switch {
	case given == nil && own == nil:
		if err := d.bare(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s has no genesis yet: name one with --genesis FILE at the first start", d.Path)
	case given == nil:
		return own, nil
	}
	if err := d.member(given); err != nil {
		return nil, err
	}
	if own != nil {
		if own.Hash != given.Hash {
			return nil, fmt.Errorf("%s belongs to cluster %s (%s), the given genesis is of cluster %s (%s): "+
				"a directory stays with its cluster; take another one for another cluster",
				d.Path, own.ClusterID(), own.ShortHash(), given.ClusterID(), given.ShortHash())
		}
		return own, nil
	}
	if err := d.bare(); err != nil {
		return nil, err
	}
	if err := smallfile.Replace(filepath.Join(d.Path, genesisFile), bytes.NewReader(append(given.Envelope.JSON(), '\n'))); err != nil {
		return nil, fmt.Errorf("keeping the genesis: %w", err)
	}
	return given, nil
}

// bare refuses to take up a genesis beside data that some cluster left.
func (d *Dir) bare() error {
	for _, name := range []string{clusterFile, journalDir} {
		_, err := os.Lstat(filepath.Join(d.Path, name))
		if err == nil {
			return fmt.Errorf("%s holds a cluster's data (%s) but %s is missing: put the cluster's genesis back there, or take a new directory",
				d.Path, name, genesisFile)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("looking at the node's data: %w", err)
		}
	}
	return nil
}

// member demands a complete genesis that names this node with its own keys.
func (d *Dir) member(g *genesis.Signed) error {
	i, ok := g.NodeIndex(d.Node.Public)
	switch {
	case !ok && d.Join != nil:
		if err := d.joins(g); err != nil {
			return err
		}
	case !ok:
		return fmt.Errorf("the genesis of cluster %s does not name the key of this node (%s, key id %s): it is for other nodes",
			g.ClusterID(), d.Statement.Name, d.Statement.KeyID())
	case g.Nodes[i].CosignerKey != d.Cosigner.Public || g.Nodes[i].SealingKey != d.Sealing.Public:
		return fmt.Errorf("the genesis of cluster %s names other cosigner or sealing keys for node %s than this directory holds",
			g.ClusterID(), d.Statement.Name)
	}
	if err := g.CheckSigned(); err != nil {
		return fmt.Errorf("%w (sign with: tallyvault genesis sign)", err)
	}
	return nil
}
