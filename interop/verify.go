// Command interop verifies Tallyvault's receipts with a program that is not ours.
//
// Everything here is decided by filippo.io/torchwood: the policy, the signatures
// over the checkpoint, the path from the leaf to the root. The module does not
// import Tallyvault's, so that agreement between the two means something.
//
//	go run . -policy policy receipt.tlog-proof...
//
// It prints a line for each receipt and ends with exit code 1 at the first one that
// is refused, 2 if it was called wrongly.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("interop", flag.ContinueOnError)
	flags.SetOutput(stderr)
	policyFile := flags.String("policy", "", "the policy `file` to verify under")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run . -policy FILE RECEIPT.tlog-proof...")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *policyFile == "" || flags.NArg() == 0 {
		flags.Usage()
		return 2
	}
	policy, err := readPolicy(*policyFile)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", *policyFile, err)
		return 1
	}
	for _, file := range flags.Args() {
		data, err := os.ReadFile(file)
		if err == nil {
			err = verify(policy, data)
		}
		if err != nil {
			fmt.Fprintf(stderr, "%s: refused: %v\n", file, err)
			return 1
		}
		fmt.Fprintf(stdout, "%s: verified\n", file)
	}
	return 0
}

func readPolicy(file string) (torchwood.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return torchwood.ParsePolicy(text)
}

// verify takes the leaf from the extra line, where nothing vouches for it, and lets
// the rest of the file prove that exactly this leaf is in the log.
func verify(policy torchwood.Policy, data []byte) error {
	leaf, err := torchwood.ProofExtraData(data)
	if err != nil {
		return err
	}
	return torchwood.VerifyProof(policy, tlog.RecordHash(leaf), data)
}
