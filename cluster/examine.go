package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

// Examine looks at a data directory without changing it, also while its node runs, and
// lists what would keep the node from starting as far as that is quickly seen: whose it
// is, the files with checksums of their own, and whether the others are there at all.
// started says whether a node ever was.
func Examine(dir string, g *genesis.Signed, node string, cosignerKey ed25519.PrivateKey) (started bool, found []error) {
	d := dataDir(dir)
	data, err := os.ReadFile(d.identity())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var have owner
	switch {
	case err != nil:
		return true, []error{err}
	case json.Unmarshal(data, &have) != nil:
		found = append(found, fmt.Errorf("%s is damaged; %s", d.identity(), wayBack))
	case have.Cluster != g.ClusterID() || have.Node != node:
		found = append(found, fmt.Errorf("%s says that this is the directory of node %s of cluster %s, not of %s of %s", d.identity(), have.Node, have.Cluster, node, g.ClusterID()))
	}
	if _, err := cosign.Open(d.signed(), g.Origin(), node, cosignerKey); err != nil {
		found = append(found, err)
	}
	if _, err := openRoster(d.members(), genesis.Node{Name: node}, g, nil); err != nil {
		found = append(found, err)
	}
	for _, path := range []string{d.raftLog(), d.raftLog() + ".mark", d.journal()} {
		if _, err := os.Stat(path); err != nil {
			found = append(found, fmt.Errorf("%w; %s", err, wayBack))
		}
	}
	if err := d.stillMember(node); err != nil {
		found = append(found, err)
	}
	return true, found
}
