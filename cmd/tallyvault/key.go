package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/statement"
	"github.com/tallyvault/tallyvault/fsm/envelope"
)

func keyCommand() *cli.Command {
	return &cli.Command{
		Name:        "key",
		Usage:       "make and look at the keys of principals",
		Description: "A principal (provider, payer, oracle, admin, auditor) acts by signing with an\nEd25519 key. The private half stays in a file that only its owner can read;\nthe public half travels in a statement, with the proof that she holds the key.",
		Subcommands: []*cli.Command{keyNewCommand(), keyShowCommand(), keyProveCommand()},
	}
}

func placeFlags() []cli.Flag {
	return []cli.Flag{
		genesisFlag("whom the proof is for, once the cluster exists"),
		&cli.StringFlag{Name: "cluster", Usage: "`ID` of the cluster instead of its genesis, 32 hex digits"},
	}
}

func keyNewCommand() *cli.Command {
	return &cli.Command{
		Name:  "new",
		Usage: "make a key and the public statement that goes with it",
		Description: `Writes the private key to FILE, which must not exist and which only you can
read, and the public statement beside it: FILE with the ending .json. Give the
statement to whoever assembles the genesis, or registers you later; keep the
private key.

Before there is a genesis:

   tallyvault key new --principal alice --role admin --out alice.key

For a cluster that exists, the proof must name it:

   tallyvault key new --principal pv-1 --role provider --genesis genesis.json --out pv-1.key`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "principal", Usage: "`NAME` of who acts with the key"},
			&cli.StringFlag{Name: "role", Usage: "admin, oracle, provider, payer or auditor"},
			outFlag("the private key"),
			&cli.BoolFlag{Name: "encrypt", Aliases: []string{"passphrase"}, Usage: "encrypt the private key with a passphrase"},
			passphraseFlag(),
		}, placeFlags()...),
		Action: keyNew,
	}
}

func keyNew(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "principal", "role", "out"); err != nil {
		return err
	}
	cluster, err := clusterOf(c)
	if err != nil {
		return err
	}
	key, err := keyfile.Generate(keyfile.Ed25519, rand.Reader)
	if err != nil {
		return err
	}
	s, err := statement.New(key.Ed25519(), cluster, c.String("principal"), c.String("role"))
	if err != nil {
		return usage("%v", err)
	}
	passphrase, err := newPassphrase(c, "Passphrase for "+c.String("out"))
	if err != nil {
		return err
	}
	private := c.String("out")
	public := strings.TrimSuffix(private, filepath.Ext(private)) + ".json"
	if public == private {
		return usage("--out %s is where the public statement goes: name the private key otherwise, such as %s", private, strings.TrimSuffix(private, ".json")+".key")
	}
	if _, err := os.Lstat(public); err == nil {
		return advise(fmt.Errorf("%s exists already and is not overwritten", public), "Name another file with --out.")
	}
	if err := keyfile.Write(private, key, passphrase); err != nil {
		return err
	}
	if err := createFile(public, s.Format()); err != nil {
		return err
	}
	tell(c, "Made key %s of %s %s.\n  private  %s  keep it; whoever has it acts as %s\n  public   %s  give it away\n",
		s.KeyID(), s.Role, s.Principal, private, s.Principal, public)
	return nil
}

// newPassphrase is empty unless somebody asked for encryption.
func newPassphrase(c *cli.Context, prompt string) (string, error) {
	if !c.Bool("encrypt") && !c.IsSet("passphrase-file") && os.Getenv(keyfile.PassphraseEnv) == "" {
		return "", nil
	}
	passphrase, err := passphrases(c).AskNew(prompt)
	if err == nil && passphrase == "" {
		err = fmt.Errorf("the passphrase is empty")
	}
	return passphrase, err
}

// clusterOf is zeros unless --genesis or --cluster says otherwise.
func clusterOf(c *cli.Context) (cluster [16]byte, err error) {
	switch {
	case c.IsSet("genesis") && c.IsSet("cluster"):
		return cluster, usage("--genesis and --cluster say the same thing: give one")
	case c.IsSet("genesis"):
		g, err := readGenesis(c)
		if err != nil {
			return cluster, err
		}
		return g.Cluster, nil
	case c.IsSet("cluster"):
		if err := envelope.ParseHex(cluster[:], c.String("cluster")); err != nil {
			return cluster, usage("--cluster: %v", err)
		}
	}
	return cluster, nil
}

func keyShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "say whose key is in a file, never the key itself",
		ArgsUsage: "FILE",
		Description: `Takes a private key file, a public key file or a statement, and checks it. The
private half is never printed.

   tallyvault key show alice.key
   tallyvault key show alice.json`,
		Flags:  []cli.Flag{jsonFlag(), passphraseFlag()},
		Action: keyShow,
	}
}

// shownKey is what may be known of a key.
type shownKey struct {
	KeyID     string `json:"key_id"`
	PublicKey string `json:"public_key"`
	Kind      string `json:"kind"`
	Principal string `json:"principal,omitempty"`
	Role      string `json:"role,omitempty"`
	Cluster   string `json:"cluster,omitempty"`
}

func keyShow(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	k, err := lookAtKey(c, c.Args().First())
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c, k)
	}
	text := fmt.Sprintf("key id      %s\npublic key  %s\nkind        %s\n", k.KeyID, k.PublicKey, k.Kind)
	if k.Principal != "" {
		text += fmt.Sprintf("principal   %s (%s)\nproof for   %s\n", k.Principal, k.Role, provenFor(k.Cluster))
	}
	return printf(c, "%s", text)
}

func provenFor(cluster string) string {
	if strings.Trim(cluster, "0") == "" {
		return "a genesis"
	}
	return "cluster " + cluster
}

func lookAtKey(c *cli.Context, path string) (shownKey, error) {
	head := make([]byte, len("tallyvault-public"))
	file, err := os.Open(path)
	if err != nil {
		return shownKey{}, err
	}
	n, _ := file.Read(head) // a file too short for any kind is told by its reader below
	_ = file.Close()
	switch text := strings.TrimSpace(string(head[:n])); {
	case strings.HasPrefix(text, "{"):
		s, err := statement.ReadFile(path)
		return shownKey{
			KeyID: s.KeyID().String(), PublicKey: hex.EncodeToString(s.PublicKey[:]), Kind: string(keyfile.Ed25519),
			Principal: s.Principal, Role: s.Role, Cluster: hex.EncodeToString(s.Cluster[:]),
		}, err
	case text == "tallyvault-public":
		public, err := keyfile.ReadPublic(path)
		return shown(public), err
	}
	key, err := keyfile.Read(path, passphrases(c).Ask)
	return shown(key.PublicHalf()), err
}

func shown(p keyfile.Public) shownKey {
	id := p.ID()
	return shownKey{KeyID: hex.EncodeToString(id[:]), PublicKey: hex.EncodeToString(p.Key[:]), Kind: string(p.Kind)}
}

func keyProveCommand() *cli.Command {
	return &cli.Command{
		Name:      "prove",
		Usage:     "make a statement anew, for another cluster",
		ArgsUsage: "STATEMENT",
		Description: `A statement is good for one cluster, or for a genesis. This makes one with the
same name, role and key for the cluster that you name.

   tallyvault key prove pv-1.json --key pv-1.key --genesis genesis.json --out pv-1-north.json`,
		Flags:  append([]cli.Flag{keyFlag("the principal"), outFlag("the new statement"), passphraseFlag()}, placeFlags()...),
		Action: keyProve,
	}
}

func keyProve(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if err := demand(c, "key"); err != nil {
		return err
	}
	old, err := statement.ReadFile(c.Args().First())
	if err != nil {
		return err
	}
	cluster, err := clusterOf(c)
	if err != nil {
		return err
	}
	key, err := readKey(c, c.String("key"))
	if err != nil {
		return err
	}
	if key.Public != old.PublicKey {
		return fmt.Errorf("%s is not the key of %s: that has the id %s", c.String("key"), c.Args().First(), old.KeyID())
	}
	s, err := statement.New(key.Ed25519(), cluster, old.Principal, old.Role)
	if err != nil {
		return err
	}
	return deliver(c, s.Format())
}
