// Package outbox keeps a gateway's measurements on disk until the cluster has said
// its last word about them.
//
// # What it promises
//
// [Outbox.Store] returns after the measurement is on disk; from then on it is sent
// until it is accepted or refused for good, through power cuts, outages of the
// network for days, and changes of the leader. None takes effect twice: at any time
// there is one signed command for a measurement at most that may still be accepted.
//
// # How
//
// A measurement is signed when it is sent, since a command counts for some minutes
// only. The signed bytes go to disk before the network. While their outcome is not
// known the same bytes are sent again, which is always safe. Another command is
// signed for a measurement only once the first one can never be accepted any more:
//
//   - its refusal is replicated, and for a reason that passes: a clock that was wrong,
//     a limit that was reached, a pause; or
//   - a door says Expired or NonceReplay, a majority confirms which nonce the lane has
//     come to, and up to there the command was not logged.
//
// SettlementConflict, MeterMismatch and MalformedPayload are final. Every other
// refusal is waited out, longer each time, and what is behind it on the same lane
// waits too.
//
// Nonces are kept on disk. An outbox that has lost its disk, or got an old copy back,
// asks the cluster for the last nonce of each lane. Measurements that are stored
// again then and had been accepted before are refused as duplicates.
//
// The time is that of the client, see [client.Client.Now]: a wrong clock costs one
// refusal.
//
// # What becomes of a measurement
//
// The outbox follows the cluster's events from a position that it keeps on disk:
//
//	stored -> sent -> accepted -> settled -> paid
//	            |        +-> baseline, rejected, quorum_failed, superseded
//	            +-> refused
//
// Each step is final, apart, once a checkpoint cosigned by the committee covers it.
//
// # Bounds
//
// The outbox holds [Config].Capacity measurements. Those whose last step is final are
// forgotten, the oldest first, when there is no room; if none is, Store says
// [ErrFull] and keeps nothing. Memory is bounded by the size of a batch and the number
// of meters.
package outbox
