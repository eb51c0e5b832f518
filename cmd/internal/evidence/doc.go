// Package evidence verifies receipt files without a network and says what the
// verdict rests on.
//
// A receipt proves something only under a [Basis]: the rule that says whose
// signatures count. There are two ways to one. A policy file is believed as it
// is: whoever gave it could have written other keys into it. A policy chain is
// not: it begins with the signed genesis, whose SHA-256 must be the one that the
// verifier got by another way (read aloud, printed, published), and every later
// change of the committee must follow from the policy before it. What a chain cannot
// show is that it is whole: one that ends before a change still counts those as members
// who left by it. So a chain should be newer than the receipts that it judges.
package evidence
