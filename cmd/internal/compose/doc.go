// Package compose makes commands on a person's machine: it fills in headers,
// reads the files in which commands travel, and signs.
//
// A command travels in one of two forms. Before the first signature it may be a
// draft, which people can edit:
//
//	{
//	  "command": "deposit",
//	  "payload": {"cluster": "…", "account": "payer/grid", …}
//	}
//
// From the first signature on it is a DSSE envelope, whose payload bytes never
// change again. [Read] takes both. Signing a draft fixes the bytes: members in
// the order of the payload's definition, without white space.
package compose
