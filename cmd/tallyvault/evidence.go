package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cluster/cosign"
	"github.com/tallyvault/tallyvault/cmd/internal/evidence"
)

func evidenceCommand() *cli.Command {
	return &cli.Command{
		Name:        "evidence",
		Usage:       "judge what a node keeps against another, without a network",
		Subcommands: []*cli.Command{evidenceVerifyCommand()},
	}
}

func evidenceVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "verify evidence that a node signed another history",
		ArgsUsage: "FILE|DIR...",
		Description: `Checks files from a node's evidence directory with nothing but the policy: that a
node signed a root, that enough nodes cosigned a checkpoint with another root at
that size, and so that the one that signed alone is wrong or lies. Believes neither
the node that kept the file nor whoever passed it on. A directory stands for the
files in it.

   tallyvault evidence verify DIR/evidence --policy policy
   tallyvault evidence verify FILE --genesis-hash HEX --policy-chain chain.json`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "policy `FILE`"},
			&cli.StringFlag{Name: "genesis-hash", Usage: "SHA-256 of the genesis, 64 hex digits"},
			&cli.StringFlag{Name: "policy-chain", Usage: "policy chain `FILE`, from tallyvault policy get --chain"},
			jsonFlag(),
		},
		Action: evidenceVerify,
	}
}

// judgement is what evidence verify found.
type judgement struct {
	Proven   int              `json:"proven"`
	Unproven int              `json:"unproven"`
	Rule     string           `json:"rule"`
	Assumes  string           `json:"assumes"`
	Files    []judgedEvidence `json:"files"`
}

type judgedEvidence struct {
	File          string   `json:"file"`
	Node          string   `json:"node,omitempty"`
	Size          uint64   `json:"size,omitempty"`
	SignedRoot    string   `json:"signed_root,omitempty"`
	CommitteeRoot string   `json:"committee_root,omitempty"`
	FinalSize     uint64   `json:"final_size,omitempty"`
	Cosigners     []string `json:"cosigners,omitempty"`
	SignedBoth    bool     `json:"signed_both,omitempty"`
	Error         string   `json:"error,omitempty"`
}

func evidenceVerify(c *cli.Context) error {
	if err := arguments(c, 1, -1); err != nil {
		return err
	}
	basis, err := basisOf(c)
	if err != nil {
		return err
	}
	files, err := filesOf(c.Args().Slice(), ".json")
	if err != nil {
		return err
	}
	j := judgement{Rule: basis.Rule(), Assumes: basis.Assumes}
	for _, path := range files {
		judged := judgeEvidence(basis, path)
		if judged.Error == "" {
			j.Proven++
		} else {
			j.Unproven++
		}
		j.Files = append(j.Files, judged)
	}
	if c.Bool("json") {
		err = printJSON(c, j)
	} else {
		err = sayJudgement(c, j)
	}
	if err == nil && j.Unproven > 0 {
		return told(exitRefused)
	}
	return err
}

func judgeEvidence(basis evidence.Basis, path string) judgedEvidence {
	data, err := readEvidence(path)
	if err != nil {
		return judgedEvidence{File: path, Error: err.Error()}
	}
	e, err := cosign.ParseEvidence(data)
	if err != nil {
		return judgedEvidence{File: path, Error: err.Error()}
	}
	p, err := e.Prove(basis.History.At)
	if err != nil {
		return judgedEvidence{File: path, Error: err.Error()}
	}
	return judgedEvidence{
		File: path, Node: p.Node, Size: p.Size, SignedRoot: p.Signed, CommitteeRoot: p.True,
		FinalSize: p.FinalSize, Cosigners: p.Cosigners, SignedBoth: p.Both,
	}
}

func sayJudgement(c *cli.Context, j judgement) error {
	for _, f := range j.Files {
		if f.Error != "" {
			if err := printf(c, "%s: PROVES NOTHING: %s\n", f.File, f.Error); err != nil {
				return err
			}
			continue
		}
		err := printf(c, "%s: proven: %s signed root %s for %d leaves, where the committee has %s\n  by the checkpoint of %d leaves that %s cosigned\n",
			f.File, f.Node, f.SignedRoot, f.Size, f.CommitteeRoot, f.FinalSize, strings.Join(f.Cosigners, ", "))
		if err == nil && f.SignedBoth {
			err = printf(c, "  %s cosigned that too: it has signed two histories\n", f.Node)
		}
		if err != nil {
			return err
		}
	}
	if err := printf(c, "%d proven, %d not\n", j.Proven, j.Unproven); err != nil {
		return err
	}
	tell(c, "Rule: %s.\nThis assumes %s.\n", j.Rule, j.Assumes)
	return nil
}
