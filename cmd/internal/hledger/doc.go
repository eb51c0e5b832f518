// Package hledger writes the cluster's ledger as a journal of hledger, the plain-text
// accounting program.
//
// Every receipt that moved money is a transaction on the day (UTC) of its entry, with the
// number of its journal leaf as code. Accounts and assets have the names that they
// have in the cluster, amounts are whole minor units. The last transaction moves
// nothing and asserts the balance of every account as the cluster's own export states
// it, so that hledger check compares both to the unit:
//
//	2026-11-28 * (41) Moved 300 from treasury to treasury/reserved.
//	    ; kind:disbursement, entry:19
//	    treasury/reserved  300 BLOCK
//	    treasury  -300 BLOCK
//
// Transfers are worked out from the receipts by the audit's books, which know nothing
// of the state machine's totals.
package hledger
