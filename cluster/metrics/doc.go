// Package metrics turns what a node does into Prometheus metrics. Nothing here is
// registered by itself: registries are passed in.
//
// These kinds are apart:
//
//   - [Market] counts what the state machine decided: settlements, rejected
//     readings, receipts. The figures are equal on every node that was there, since
//     entries are counted where they are applied; what is replayed or caught up with
//     is not counted, so rules and dashboards take max without(instance). Names that
//     say energy carry a market label where other markets count too.
//   - [Treasury] counts what became of disbursements, in the same way.
//   - [Node] measures this node: the time until cuts are final, refused peers.
//   - [InstallRaft] passes on what the Raft library measures.
//
// Labels are closed sets. Providers are not, so the first [MaxProviders] that a
// process sees have a label of their own and the others share "other".
package metrics
