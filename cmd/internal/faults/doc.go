// Package faults tests the real binary under real faults: processes that are killed
// and paused under load, whose network is cut, loses and delays, and whose disks are
// full, fail, hang, lose their power or give back something else than was written. It
// holds tests alone.
//
// # What a test is made of
//
// A rig founds a committee and runs each node as a process of its own. A load sends signed readings at a fixed
// rate through transport/client, which has to carry on by itself, and notes every
// answer in a file outside the cluster. Oracle agents attest. A test brings about
// faults, heals them, and then settle compares what the nodes hold with what
// was answered:
//
//   - every acknowledged reading is in every node's journal, once, under the number,
//     entry and leaf that were answered; none is there that was not sent;
//   - the nonces of a lane rise;
//   - every reading that closed had enough oracles for it;
//   - all nodes have the same digest; tallyvault audit finds each journal clean and
//     the money conserved; receipts verify offline;
//   - linearizable reads and the readings between them have an order
//     (github.com/anishathalye/porcupine).
//
// Example programs in other languages (deploy/examples) are put through the same: what
// they measured while nothing could be reached is counted in every journal.
//
// That the rig sees a loss is shown too: after a power cut of disks on which no sync
// does anything, it must name what was acknowledged and is gone.
//
// # Where it runs
//
// As root on Linux the test process starts itself again in namespaces of its own for
// processes, mounts and network. Whatever a test leaves behind, even when it is
// killed, the kernel takes away with them. Without root or iproute2 they run where
// they are. For tests of the network each node has a namespace to itself, and a switch
// in this process carries their packets. Loop devices with file systems of their own,
// and strace, interfere with the disks. Where any of it cannot be had, the tests
// concerned are skipped and say so.
//
//	go test ./cmd/internal/faults              a short part, a minute
//	go test ./cmd/internal/faults -full        every fault, some minutes
//	make soak T=20m                            one after the other, for that long
//
// A failure names its seed; -seed repeats the same draws, though not the same
// timing.
package faults
