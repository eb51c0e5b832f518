package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/evidence"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// Bounds of what receipt verify reads.
const (
	proofSuffix = ".tlog-proof"
	maxEvidence = 4 << 20
	fewReceipts = 10 // so many are said in words
)

func receiptVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify receipt files, with nothing but files",
		ArgsUsage: "FILE|DIR...",
		Description: `Checks that a journal leaf is under a checkpoint that the journal's key and enough
nodes signed, and says what it states. Uses no network. A directory stands for the
*.tlog-proof files in it.

What it rests on is one of these, and is said:

   a policy file, believed as it is:
      tallyvault receipt verify r.tlog-proof --policy policy
   the hash of the genesis (read aloud, printed, published), from which the policy
   is derived:
      tallyvault receipt verify r.tlog-proof --genesis-hash HEX --policy-chain chain.json

Any tampering is refused with the name of the part that is wrong.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "policy `FILE`"},
			&cli.StringFlag{Name: "genesis-hash", Usage: "SHA-256 of the genesis, 64 hex digits"},
			&cli.StringFlag{Name: "policy-chain", Usage: "policy chain `FILE`, from tallyvault policy get --chain"},
			jsonFlag(),
		},
		Action: receiptVerify,
	}
}

// verdict is what receipt verify found.
type verdict struct {
	Verified int               `json:"verified"`
	Failed   int               `json:"failed"`
	Rule     string            `json:"rule"`
	Assumes  string            `json:"assumes"`
	Receipts []verifiedReceipt `json:"receipts"`
}

type verifiedReceipt struct {
	File      string   `json:"file"`
	Kind      string   `json:"kind,omitempty"`
	Leaf      uint64   `json:"leaf"`
	Size      uint64   `json:"size,omitempty"`
	Cosigners []string `json:"cosigners,omitempty"`
	Part      string   `json:"part,omitempty"`
	Error     string   `json:"error,omitempty"`
	words     string
}

func receiptVerify(c *cli.Context) error {
	if err := arguments(c, 1, -1); err != nil {
		return err
	}
	basis, err := basisOf(c)
	if err != nil {
		return err
	}
	files, err := filesOf(c.Args().Slice(), proofSuffix)
	if err != nil {
		return err
	}
	v := verdict{Rule: basis.Rule(), Assumes: basis.Assumes}
	reader := words.Reader{Genesis: basis.Genesis, Now: time.Now()}
	for _, path := range files {
		if err := c.Context.Err(); err != nil {
			return err
		}
		r := verifyFile(basis, path, reader)
		if r.Error == "" {
			v.Verified++
		} else {
			v.Failed++
		}
		v.Receipts = append(v.Receipts, r)
	}
	if c.Bool("json") {
		err = printJSON(c, v)
	} else {
		err = sayVerdict(c, v)
	}
	if err == nil && v.Failed > 0 {
		return told(exitRefused)
	}
	return err
}

// basisOf reads the policy that receipts are judged by.
func basisOf(c *cli.Context) (evidence.Basis, error) {
	byChain := c.IsSet("genesis-hash") && c.IsSet("policy-chain")
	if c.IsSet("policy") == (c.IsSet("genesis-hash") || c.IsSet("policy-chain")) || !c.IsSet("policy") && !byChain {
		return evidence.Basis{}, usage("give --policy, or --genesis-hash and --policy-chain together")
	}
	if !byChain {
		text, err := readEvidence(c.String("policy"))
		if err != nil {
			return evidence.Basis{}, err
		}
		return evidence.FromPolicy(text, c.String("policy"))
	}
	var hash [32]byte
	if err := envelope.ParseHex(hash[:], c.String("genesis-hash")); err != nil {
		return evidence.Basis{}, usage("--genesis-hash: %v", err)
	}
	chain, err := readEvidence(c.String("policy-chain"))
	if err != nil {
		return evidence.Basis{}, err
	}
	return evidence.FromChain(chain, hash)
}

func readEvidence(path string) ([]byte, error) {
	return smallfile.Read(path, maxEvidence)
}

// filesOf puts the files of a directory that end in suffix in its place.
func filesOf(paths []string, suffix string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		found, err := filepath.Glob(filepath.Join(escapeGlob(path), "*"+suffix))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("there is no *%s file in %s", suffix, path)
		}
		files = append(files, found...)
	}
	return files, nil
}

// escapeGlob keeps characters of a directory's name from being taken as a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func verifyFile(basis evidence.Basis, path string, reader words.Reader) verifiedReceipt {
	out := verifiedReceipt{File: path}
	data, err := readEvidence(path)
	if err == nil {
		var r evidence.Receipt
		if r, err = basis.Verify(data, reader); err == nil {
			out.Kind, out.Leaf, out.Size, out.Cosigners, out.words = r.Kind, r.Index, r.Checkpoint.Size, r.Cosigners, r.Words
			return out
		}
	}
	out.Error = err.Error()
	if refused, ok := errors.AsType[*proof.Error](err); ok {
		out.Part = string(refused.Part)
	}
	return out
}

func sayVerdict(c *cli.Context, v verdict) error {
	for _, r := range v.Receipts {
		var err error
		switch {
		case r.Error != "":
			err = printf(c, "%s: REFUSED: %s\n", r.File, r.Error)
		case len(v.Receipts) <= fewReceipts:
			err = printf(c, "%s: verified, leaf %d of %d, cosigned by %s\n  %s\n", r.File, r.Leaf, r.Size, strings.Join(r.Cosigners, ", "),
				strings.ReplaceAll(strings.TrimRight(r.words, "\n"), "\n", "\n  "))
		}
		if err != nil {
			return err
		}
	}
	if err := printf(c, "%d verified, %d refused\n", v.Verified, v.Failed); err != nil {
		return err
	}
	tell(c, "Rule: %s.\nThis assumes %s.\n", v.Rule, v.Assumes)
	return nil
}
