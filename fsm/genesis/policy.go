package genesis

import "github.com/tallyvault/tallyvault/fsm/proof"

// Policy is the rule by which checkpoints of era 0 are judged until the first
// change of membership: the log key, every node's cosigner, any k of them.
func (s *Signed) Policy() proof.Policy { return s.PolicyOf(s.Nodes) }

// PolicyOf is the policy of a committee of this cluster with other members. The
// origin, the log key and k stay.
func (s *Signed) PolicyOf(nodes []Node) proof.Policy {
	p := proof.Policy{Origin: s.Origin(), LogKey: s.LogKey, K: int(s.Cosigners)}
	for _, n := range nodes {
		p.Witnesses = append(p.Witnesses, proof.Witness{
			Name: n.Name, KeyName: s.CosignerName(n), Key: n.CosignerKey, URL: n.APIAddress,
		})
	}
	return p
}
