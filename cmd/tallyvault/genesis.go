package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/founding"
	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
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
		}, blockFlags()...), rowFlags()...),
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

func genesisSignCommand() *cli.Command {
	return &cli.Command{
		Name:      "sign",
		Usage:     "read a genesis in words, and sign it as a node",
		ArgsUsage: "FILE",
		Description: `Shows what the genesis means, asks, and adds your node's signature to FILE. Do
not sign before you have compared the short hash with the other operators.

   tallyvault genesis sign genesis.json --dir /var/lib/tallyvault

Operators may sign copies at the same time and bring them together with merge.`,
		Flags: []cli.Flag{
			dirFlag(), keyFlag("the node instead of its directory"), yesFlag(), passphraseFlag(),
			outFlag("the signed genesis, instead of changing the given file,"),
		},
		Action: genesisSign,
	}
}

func genesisSign(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	key, err := nodeSigningKey(c)
	if err != nil {
		return err
	}
	path := c.Args().First()
	s, err := readGenesisFile(path)
	if err != nil {
		return err
	}
	if err := founding.Try(s); err != nil {
		return err
	}
	signed, err := founding.Sign(s, key.Ed25519())
	if errors.Is(err, founding.ErrSigned) {
		tell(c, "Nothing to do: %v.\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	tell(c, "%s\n", s.Words())
	if err := confirm(c, fmt.Sprintf("Is the short hash %s the one that the others have, and do you agree to all of it?", s.ShortHash()), false); err != nil {
		return err
	}
	text := append(signed.Envelope.JSON(), '\n')
	if c.IsSet("out") {
		err = deliver(c, text)
	} else {
		err = replaceFile(path, text)
	}
	if err == nil {
		i, _ := s.NodeIndex(key.Public)
		tell(c, "Signed by %s; still missing: %s.\n", s.Nodes[i].Name, orNobody(signed.Missing()))
	}
	return err
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// nodeSigningKey is the node key of --dir, or the key in --key.
func nodeSigningKey(c *cli.Context) (keyfile.Key, error) {
	if c.IsSet("dir") == c.IsSet("key") {
		return keyfile.Key{}, usage("give --dir (the node's directory) or --key (its node key), one of them")
	}
	if c.IsSet("key") {
		return readKey(c, c.String("key"))
	}
	dir, err := nodedir.Open(c.String("dir"), passphrases(c).Ask)
	if err != nil {
		return keyfile.Key{}, err
	}
	return dir.Node, nil
}

func genesisMergeCommand() *cli.Command {
	return &cli.Command{
		Name:      "merge",
		Usage:     "bring together the signatures under copies of one genesis",
		ArgsUsage: "FILE...",
		Description: `All files must be the same genesis, and every signature must verify.

   tallyvault genesis merge from-a.json from-b.json from-c.json --out genesis.json`,
		Flags:  []cli.Flag{outFlag("the merged genesis")},
		Action: genesisMerge,
	}
}

func genesisMerge(c *cli.Context) error {
	if err := arguments(c, 1, -1); err != nil {
		return err
	}
	paths := c.Args().Slice()
	var copies []*genesis.Signed
	for _, path := range paths {
		s, err := readGenesisFile(path)
		if err != nil {
			return err
		}
		copies = append(copies, s)
	}
	merged, part, err := founding.Merge(copies...)
	if err != nil {
		return fmt.Errorf("%s: %w", paths[part], err)
	}
	tell(c, "Merged genesis %s; still missing: %s.\n", merged.ShortHash(), orNobody(merged.Missing()))
	return deliver(c, append(merged.Envelope.JSON(), '\n'))
}

// replaceFile changes a file so that after a crash there is the old or the new
// content, whole.
func replaceFile(path string, data []byte) error {
	temporary := path + ".new"
	if err := createFile(temporary, data); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(fmt.Errorf("changing %s: %w", path, err), os.Remove(temporary))
	}
	return nil
}
