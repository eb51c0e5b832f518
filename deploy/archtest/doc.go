// Package archtest holds the shape of the project as tests, so that what was
// decided once need not be remembered by every reviewer.
//
//   - Imports point down only: oracle and treasury, then the parts of fsm, fsm
//     itself, the parts of cluster, cluster, the parts of transport, transport,
//     cmd. What stands lower knows nothing of what stands higher. (floors_test.go)
//   - Pure code, which is all below cluster, must come to the same state on
//     every replica: no clock, chance, floats, map order, goroutines, locks,
//     files, sockets or logs. (pure_test.go)
//   - The house stays tidy: known entries at the top, small files, no paths of
//     anybody's machine, no notes of unfinished work, no init functions.
//     (house_test.go)
//
// Every rule states its reason in its message, and is fed code that breaks it,
// to show that it would notice (broken_test.go). Whoever has a reason to change
// a rule changes it here, in the open.
package archtest
