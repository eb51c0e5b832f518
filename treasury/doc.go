// Package treasury keeps the ledger: who holds how much of which asset.
//
// The full specification follows below as the package grows; the laws are
// that debits equal credits per asset, that only external accounts are ever
// negative, and that nothing posted is ever edited.
package treasury
