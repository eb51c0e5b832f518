// Package envelope reads and writes signed commands and statements in the
// DSSE v1 format (Dead Simple Signing Envelope).
//
// # What is signed
//
// An Ed25519 signature covers the pre-authentication encoding (PAE) of the
// payload type and the payload, never the JSON around them:
//
//	PAE(type, payload) = "DSSEv1" SP len(type) SP type SP len(payload) SP payload
//
// where SP is one space and the lengths are decimal byte counts. The payload
// bytes are carried verbatim and are never re-serialised, so a program in any
// language can make a command with a JSON writer and an Ed25519 library.
//
// # The JSON
//
//	{
//	  "payloadType": "application/vnd.tallyvault.submit_reading.v1+json",
//	  "payload": "<base64 of the payload bytes>",
//	  "signatures": [{"keyid": "<32 hex digits>", "sig": "<base64, 64 bytes>"}]
//	}
//
// As DSSE asks, both base64 alphabets are read, with or without padding, and
// unknown fields are ignored. Unlike DSSE, keyid is required: it names the key
// that the replicated key table must hold. Duplicate names, trailing data and
// invalid UTF-8 are refused.
//
// # Names
//
// The identity of a command is SHA-256(PAE). A key's id is the first 16 bytes
// of SHA-256(public key), in lower-case hex.
package envelope
