package genesis

import "github.com/tallyvault/tallyvault/fsm/proof"

// Policy is the rule by which checkpoints of era 0 are judged until the first
// change of membership: the log key, every node's cosigner, any k of them.
func (s *Signed) Policy() proof.Policy {
	p := proof.Policy{Origin: s.Origin(), LogKey: s.LogKey, K: int(s.Cosigners)}
	for _, n := range s.Nodes {
		p.Witnesses = append(p.Witnesses, proof.Witness{
			Name: n.Name, KeyName: s.CosignerName(n), Key: n.CosignerKey, URL: n.APIAddress,
		})
	}
	return p
}
