package main

import (
	"encoding/hex"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/transport/api"
)

func tokenCommand() *cli.Command {
	return &cli.Command{
		Name:  "token",
		Usage: "print a token for reading the API with curl",
		Description: `The token is a JWT that your key signs for one cluster. Whoever has it can read
as you until it ends, at most five minutes.

   curl -H "Authorization: Bearer $(tallyvault token --key auditor.key --genesis genesis.json)" \
      https://a.example:8443/v1/accounts`,
		Flags: []cli.Flag{
			keyFlag("whoever reads"), genesisFlag("for which the token is"),
			&cli.StringFlag{Name: "cluster", Usage: "`ID` of the cluster instead of its genesis, 32 hex digits"},
			&cli.DurationFlag{Name: "ttl", Value: api.MaxTokenLife, Usage: "how long it is good, at most 5m"}, passphraseFlag(),
		},
		Action: token,
	}
}

func token(c *cli.Context) error {
	if err := arguments(c, 0, 0); err != nil {
		return err
	}
	if err := demand(c, "key"); err != nil {
		return err
	}
	cluster, err := clusterOf(c)
	if err != nil {
		return err
	}
	if cluster == ([16]byte{}) {
		return usage("--genesis or --cluster must be given")
	}
	key, err := readKey(c, c.String("key"))
	if err != nil {
		return err
	}
	text, err := api.SignToken(key.Ed25519(), hex.EncodeToString(cluster[:]), time.Now(), c.Duration("ttl"))
	if err != nil {
		return usage("%v", err)
	}
	return printf(c, "%s\n", text)
}
