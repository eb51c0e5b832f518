// Package founding brings a committee from a handful of statements to a genesis
// file that all its nodes have signed: [Assemble] makes the payload, [Sign] adds
// one node's signature, [Merge] joins the signatures that were collected on
// different machines, and [Signatures] says whose are there and good.
//
// The file travels between people who do not fully trust each other, so nothing
// here takes a part of it on faith: a signature that does not verify is named,
// whoever put it there.
package founding
