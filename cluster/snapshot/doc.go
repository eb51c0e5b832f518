// Package snapshot is the form in which a node hands its state to another one, and
// keeps it for itself. A state that comes in this form went past Apply, so it brings
// what shows that it is the one which Apply leads to:
//
//	"tallyvault-snapshot v2\n"
//	head      strict JSON: cluster, era, whether an image follows, and the number of the
//	          last entry, the tree's size and its root at the end
//	chain     the policy chain from genesis on
//	evidence  with an image: the receipt file of the cut that states its digest;
//	          without: a signed note, or nothing
//	image     a frozen state, as package fsm writes it
//	tail      the journal's leaves from there to the end, and an empty block
//
// Head, chain, evidence and each leaf stand behind their 32-bit length.
//
// A node that keeps a snapshot of its own has the tail in its journal. Package cluster
// writes it with [Snapshot.WriteBase] and a reference in the tail's place, and puts the
// leaves back when it is read or sent.
//
// # What a receiver believes
//
// The image is believed because its digest stands in a receipt under a checkpoint that
// k nodes cosigned, and these are the committee that the chain leads to. Without an
// image the snapshot begins with the state that genesis describes. The tail is not
// believed but applied: every signature is verified, and the leaves that come out must
// be the ones that it holds. Its tree must pass through every tree that the receiver
// knows: the checkpoint of the evidence, what it signed last, what its journal and its
// state hold. For those that are older than the image somebody must prove that they
// lead there ([Receiver].Prove); anybody can, and nobody is believed.
//
// So whoever sends a snapshot cannot make up a balance, a nonce or a member. What it
// can do is what a leader can do anyway: entries behind the newest cosigned checkpoint
// are nobody's word but Raft's. If they are not the ones that the others applied, the
// receiver's next root contradicts theirs, and it ends, saying so.
//
// # How long the tail gets
//
// A state is frozen at each epoch and after 2^18 leaves (package fsm), and it can be
// proven four cuts later. A committee that commits but cannot finalise proves nothing
// new; from [MaxTail] leaves on no snapshot is written until it does, and Raft's log
// grows instead.
package snapshot
