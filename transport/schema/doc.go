// Package schema writes JSON Schemas (2020-12) of everything that travels: the
// payloads of commands, receipts, and the API's bodies.
//
// Payloads and receipts have one generator, [Of], which asks the codec itself
// what it reads (strict.Shape). A command or a kind of receipt that is added to
// its table has a schema from then on; nothing is written here for it. The
// schemas of the API's bodies are those of its OpenAPI document.
//
// # How exact they are
//
// A schema of a payload or receipt refuses what the codec refuses: unknown,
// missing and differently-cased members, null, other types, numbers and decimal
// strings out of range, hex of another length or in upper case, lists that are
// too long.
//
// It is weaker on purpose where JSON Schema cannot see what the codec sees, or
// where a rule and not the codec decides: duplicate members, data behind the
// object, invalid UTF-8 and lone surrogates; 5.0, 5e0 and -0, which are integers
// to JSON Schema; the order of a receipt's members; the size of a payload; and
// everything that depends on the state.
//
// It is stricter than the codec where a member's tag says so, and then it refuses
// what the rules refuse always: values outside of `enum`, and what cannot be a
// name by its `form`:
//
//	id        principal, market, meter, node: [a-z][a-z0-9._-]{0,63}
//	word      at most 32 of the same, or empty
//	asset     [A-Za-z][A-Za-z0-9._-]{0,31}
//	account   treasury, payer/<id> or provider/<id>
//	lane      0 to 15, or m/<id>
//	era       <number>-<64 hex digits>
package schema
