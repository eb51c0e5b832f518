// Package strict reads and writes the JSON of payloads, genesis files and
// receipts. The parser is part of the replicated rules: every replica must
// accept and refuse exactly the same bytes.
//
// # What is refused
//
// Unknown, duplicate or differently-cased member names, missing members that
// are not optional, null anywhere, trailing data, invalid UTF-8, numbers with a
// fraction, an exponent or out of range, non-canonical decimals ("01", "+1",
// "-0"), upper-case hex, and nesting or lists beyond the limits below.
//
// # Go to JSON
//
//	uint64, Amount            decimal string   "18446744073709551615"
//	int64, uint32, uint16, uint8  number       1764000000000
//	[N]byte                   lower-case hex   "00ff…"
//	[]byte                    lower-case hex   "00ff…"
//	string, bool              string, boolean
//	struct, []T               object, array
//	*T                        optional T
//
// Members are named by the `json` tag; `,optional` marks a member that may be
// missing and is left out when it is zero. Embedded structs are flattened.
// Encode writes members in the order of the struct's fields, without white
// space, so one value has one encoding.
//
// The tokens themselves are read by github.com/go-json-experiment/json/jsontext,
// which already refuses duplicate names and invalid UTF-8.
package strict
