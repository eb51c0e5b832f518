// Package board draws the story of a disbursement as one page for people who decide
// about it and do not use the command line: a board, an auditor, a member.
//
// The page is one HTML file that needs nothing else: no script, no font, no picture, no
// network. It says what the payment waits for or how it ended, who voted, what moved
// when, and for each step the receipt itself with a link to its proof at a node, which
// tallyvault receipt verify checks offline. It prints well.
//
// It is made from what a node says and proves nothing by itself: the proofs do.
package board
