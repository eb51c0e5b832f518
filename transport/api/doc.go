// Package api holds what the HTTP API of a node says and hears, as Go types:
// the server makes its OpenAPI document from them and the client decodes into
// them, so the two cannot drift apart.
//
// Integers of 64 bits and more are decimal strings ([Uint64], and amounts of
// money as string), times are unix milliseconds as numbers, bytes are
// lower-case hex. Lists are never null.
//
// Two documents that are signed elsewhere than in the log have their format
// here as well: the pins of a node's TLS key ([Pins]) and the token with which
// a key reads ([Claims]).
package api
