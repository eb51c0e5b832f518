// Package reference draws the page that explains a node's API to people: every
// route, payload, kind of receipt, body and refusal, from the same document and
// table that the node itself works with. Nothing on it is written twice.
//
// The page is one file without outside assets. Its style and its script stand in
// it, and the policy that it is served with names their hashes, so that nothing
// else can run, be loaded or be asked for. Without scripts it reads as well; they
// add the search, the copying and the choice of light or dark.
//
// An example is a whole command for a shell. What the reader has to choose in it
// is a variable, $LEAF for the parameter leaf; the tests run each example as it
// stands on the page.
package reference
