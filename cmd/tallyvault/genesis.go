package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/founding"
	"github.com/tallyvault/tallyvault/cmd/internal/nodedir"
	"github.com/tallyvault/tallyvault/cmd/internal/statement"
	"github.com/tallyvault/tallyvault/fsm/genesis"
)

func genesisCommand() *cli.Command {
	return &cli.Command{
		Name:  "genesis",
		Usage: "found a cluster among people who do not fully trust each other",
		Description: `One of the operators assembles the genesis from everybody's statements. Each
reads it in words, compares the short hash with the others by telephone, and
signs. It counts when all nodes have signed.

   tallyvault genesis create ... --out genesis.json
   tallyvault genesis verify genesis.json
   tallyvault genesis sign genesis.json --dir /var/lib/tallyvault
   tallyvault genesis merge signed-by-a.json signed-by-b.json --out genesis.json`,
		Subcommands: []*cli.Command{genesisCreateCommand(), genesisVerifyCommand(), genesisSignCommand(), genesisMergeCommand()},
	}
}

func genesisCreateCommand() *cli.Command {
	return &cli.Command{
		Name:  "create",
		Usage: "assemble a genesis from the statements of nodes and principals",
		Description: `Profiles: demo (windows of seconds), production (windows of days; shorter than a
day is refused), custom (starts as production and allows everything). The flags
of the market row change single values of the profile's market.

The log key is drawn here, sealed to every node and forgotten.

   tallyvault genesis create --name north --profile production \
      --node a.json --node b.json --node c.json \
      --principal alice.json --principal bob.json --principal oracle-a.json \
      --oracle-weight energy:oracle-a=1 --admin-threshold 2 \
      --unit-price 25 --out genesis.json`,
		Flags: append(append([]cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "the committee's own `NAME` for the cluster"},
			&cli.StringFlag{Name: "profile", Value: genesis.ProfileProduction, Usage: "demo, production or custom"},
			&cli.StringSliceFlag{Name: "node", Usage: "a node's statement `FILE`, repeatable"},
			&cli.StringSliceFlag{Name: "principal-file", Aliases: []string{"principal"}, Usage: "a principal's statement `FILE`, repeatable"},
			&cli.StringSliceFlag{Name: "oracle-weight", Usage: "`MARKET:ORACLE=WEIGHT`, repeatable"},
			&cli.UintFlag{Name: "admin-threshold", Value: 1, Usage: "how many different admins must sign a threshold command"},
			&cli.UintFlag{Name: "faulty", Usage: "how many nodes may lie (default: as many as the committee bears)"},
			&cli.StringFlag{Name: "market", Value: "energy", Usage: "`ID` of the first market"},
			outFlag("the unsigned genesis"),
		}, append(treasuryFlags(), blockFlags()...)...), rowFlags()...),
		Action: genesisCreate,
	}
}

func genesisCreate(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "name", "node", "principal-file"); err != nil {
		return err
	}
	plan, err := foundingPlan(c)
	if err != nil {
		return err
	}
	s, err := founding.Assemble(plan, time.Now(), rand.Reader)
	if err != nil {
		return fmt.Errorf("assembling the genesis: %w", err)
	}
	tell(c, "%s\nNext: every operator runs genesis verify and genesis sign on it.\n", s.Words())
	return deliver(c, append(s.Envelope.JSON(), '\n'))
}

func foundingPlan(c *cli.Context) (p founding.Plan, err error) {
	p.Name, p.AdminThreshold = c.String("name"), small(c.Uint("admin-threshold"))
	if p.Preset, err = genesis.Preset(c.String("profile")); err != nil {
		return p, usage("%v", err)
	}
	shapeTime(c, &p.Preset)
	row := &p.Preset.Markets[0]
	row.Market = c.String("market")
	shape(c, row)
	if err := shapeTreasury(c, &p.Preset); err != nil {
		return p, err
	}
	if c.IsSet("faulty") {
		f := small(c.Uint("faulty"))
		p.Faulty = &f
	}
	for _, path := range c.StringSlice("node") {
		n, err := nodedir.ReadStatement(path)
		if err != nil {
			return p, fmt.Errorf("reading a node statement: %w", err)
		}
		p.Nodes = append(p.Nodes, n)
	}
	for _, path := range c.StringSlice("principal-file") {
		s, err := statement.ReadFile(path)
		if err != nil {
			return p, err
		}
		founder, err := s.Founder()
		if err != nil {
			return p, fmt.Errorf("%s: %w", path, err)
		}
		p.Principals = append(p.Principals, founder)
	}
	for _, text := range c.StringSlice("oracle-weight") {
		w, err := parseWeight(text)
		if err != nil {
			return p, err
		}
		p.OracleWeights = append(p.OracleWeights, w)
	}
	return p, nil
}

func parseWeight(text string) (w genesis.OracleWeight, err error) {
	var rest, number string
	var ok, also bool
	w.Market, rest, ok = strings.Cut(text, ":")
	w.Oracle, number, also = strings.Cut(rest, "=")
	if ok && also {
		w.Weight, err = strconv.ParseUint(number, 10, 64)
	}
	if !ok || !also || err != nil {
		return w, usage("--oracle-weight %q: want MARKET:ORACLE=WEIGHT, such as energy:oracle-a=1", text)
	}
	return w, nil
}

func genesisVerifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "say in words what a genesis means, and who has signed it",
		ArgsUsage: "FILE",
		Description: `Says who is in, what any one and any two members can do, how many nodes must
cosign, and a short hash to read aloud to the others. A signature that does not
verify is refused; one that is still missing is listed, and refused only with
--complete.

   tallyvault genesis verify genesis.json
   tallyvault genesis verify --complete genesis.json`,
		Flags:  []cli.Flag{jsonFlag(), &cli.BoolFlag{Name: "complete", Usage: "refuse a genesis that some node has not signed"}},
		Action: genesisVerify,
	}
}

func genesisVerify(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	s, err := readGenesisFile(c.Args().First())
	if err != nil {
		return err
	}
	if err := founding.Try(s); err != nil {
		return err
	}
	list, err := founding.Signatures(s)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = printJSON(c, genesisFacts(s, list))
	} else {
		err = printf(c, "%s", s.Words())
	}
	return errors.Join(err, judgeSignatures(list, c.Bool("complete")))
}

func judgeSignatures(list []founding.Signature, complete bool) error {
	for _, v := range list {
		if v.Verdict == founding.Wrong {
			return advise(fmt.Errorf("the signature of node %s is not one over this genesis: the file was altered, or the signature is another's", v.Node),
				"Get the file anew from its author, compare the short hash, and sign again.")
		}
	}
	for _, v := range list {
		if v.Verdict == founding.Missing && complete {
			return advise(fmt.Errorf("node %s has not signed", v.Node), "Its operator runs: tallyvault genesis sign.")
		}
	}
	return nil
}

// genesisSummary is what a program wants to know of a genesis.
type genesisSummary struct {
	Cluster    string            `json:"cluster"`
	Hash       string            `json:"hash"`
	ShortHash  string            `json:"short_hash"`
	Name       string            `json:"name"`
	Profile    string            `json:"profile"`
	Nodes      int               `json:"nodes"`
	Faulty     uint32            `json:"faulty"`
	Cosigners  uint32            `json:"cosigners"`
	Signatures map[string]string `json:"signatures"`
}

func genesisFacts(s *genesis.Signed, list []founding.Signature) genesisSummary {
	g := genesisSummary{
		Cluster: s.ClusterID(), Hash: hex.EncodeToString(s.Hash[:]), ShortHash: s.ShortHash(), Name: s.Name, Profile: s.Profile,
		Nodes: len(s.Nodes), Faulty: s.Faulty, Cosigners: s.Cosigners, Signatures: map[string]string{},
	}
	for _, v := range list {
		g.Signatures[v.Node] = string(v.Verdict)
	}
	return g
}
