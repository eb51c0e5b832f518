// Package faults tests the real binary under real faults: processes that are
// killed and paused, networks that are cut, disks that fill up, fail, hang and lose
// power. It holds tests alone.
//
// # What a test is made of
//
// A rig founds a committee and runs each node as a process of its own, on loopback
// or in a network namespace of its own. A load sends signed readings at a fixed
// rate through transport/client, which has to carry on by itself, and notes every
// answer in a file outside the cluster. Oracle agents attest. A test brings about
// faults, heals them, and then [rig.settle] compares what the nodes hold with what
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
// # Where it runs
//
// As root on Linux the test process starts itself again in namespaces of its own for
// processes, mounts and network. Whatever a test leaves behind, even when it is
// killed, the kernel takes away with them. Without root, or without the programs that
// a fault takes (iproute2, strace, e2fsprogs), the tests concerned are skipped and
// counted on the last line.
//
//	go test ./cmd/internal/faults              a short part, below 20 s
//	go test ./cmd/internal/faults -full        every fault, some minutes
//	make soak T=20m                            a random mix, and healing
//
// A failure names its seed; -seed repeats the same draws, though not the same
// timing.
package faults
