package nodedir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// AdoptJoin settles by which replace_node command the node comes in that its genesis
// does not name. The first one is copied into the directory; later ones must be the
// same, and path may then be empty. A node of genesis has none. It comes before Adopt.
func (d *Dir) AdoptJoin(path string) error {
	own := filepath.Join(d.Path, joinFile)
	kept, err := smallfile.Read(own, envelope.MaxJSON)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the directory's replace_node command: %w", err)
	}
	if path == "" {
		if kept == nil {
			return nil
		}
		return d.takeJoin(own, kept)
	}
	given, err := smallfile.Read(path, envelope.MaxJSON)
	if err != nil {
		return fmt.Errorf("reading the replace_node command: %w", err)
	}
	if err := d.takeJoin(path, given); err != nil {
		return err
	}
	if kept != nil {
		id := d.joinID
		if err := d.takeJoin(own, kept); err != nil {
			return err
		}
		if d.joinID != id {
			return fmt.Errorf("%s joins by another replace_node command already: a new attempt takes a new directory, name and keys", d.Path)
		}
		return nil
	}
	if err := smallfile.Replace(own, bytes.NewReader(given)); err != nil {
		return fmt.Errorf("keeping the replace_node command: %w", err)
	}
	return nil
}

// takeJoin reads a replace_node command and demands that it lets this node in.
func (d *Dir) takeJoin(path string, data []byte) error {
	e, err := envelope.Parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, smallfile.Other(err, data))
	}
	c, refusal := fsm.FromEnvelope(e)
	if refusal != nil {
		return fmt.Errorf("%s: %w", path, smallfile.Other(refusal, data))
	}
	body, ok := c.Body().(*fsm.ReplaceNode)
	if !ok {
		return fmt.Errorf("%s is a %s command, want replace_node", path, c.Name())
	}
	n, err := body.Node.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n != d.Statement {
		return fmt.Errorf("%s lets node %s in, which is not the node of %s", path, n.Name, d.Path)
	}
	d.Join, d.joinID = body, c.Identity()
	return nil
}

// joins demands that the command is for the genesis' cluster.
func (d *Dir) joins(g *genesis.Signed) error {
	if d.Join.Cluster != g.Cluster {
		return fmt.Errorf("the replace_node command of %s is for cluster %x, the genesis is of cluster %s", d.Path, d.Join.Cluster, g.ClusterID())
	}
	return nil
}

// LogKey opens the journal's log key with this node's sealing key.
func (d *Dir) LogKey(g *genesis.Signed) (ed25519.PrivateKey, error) {
	if d.Join != nil {
		return g.OpenSealed(d.Join.SealedLogKey, d.Sealing.Seed)
	}
	return g.OpenLogKey(d.Statement.Name, d.Sealing.Seed)
}
