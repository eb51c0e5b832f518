package trial

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
	"golang.org/x/sync/errgroup"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/client"
)

const (
	payerFunds = 1 << 60
	atATime    = 4 // registrations under way
)

// Parties are who sends readings and who pays for them.
type Parties struct {
	Suffix   string // sets one trial's names apart from another's on the same cluster
	Provider string
	Payer    string
	Key      ed25519.PrivateKey // the provider's
}

// Enrol brings a provider, a payer and its money into the cluster.
func (c *Committee) Enrol(ctx context.Context, api *client.Client, name string) (Parties, error) {
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Parties{}, err
	}
	p := Parties{Suffix: hex.EncodeToString(random[:])}
	p.Provider, p.Payer = name+"-provider-"+p.Suffix, name+"-payer-"+p.Suffix
	for principal, role := range map[string]string{p.Provider: genesis.RoleProvider, p.Payer: genesis.RolePayer} {
		key, err := keyfile.Generate(keyfile.Ed25519, rand.Reader)
		if err != nil {
			return p, err
		}
		if role == genesis.RoleProvider {
			p.Key = key.Ed25519()
		}
		possession := genesis.Possession{Cluster: c.Genesis.Cluster, Principal: principal, Role: role, Key: key.Public}
		command := &fsm.RegisterPrincipal{Principal: principal, Role: role, PublicKey: key.Public, Proof: possession.Prove(key.Ed25519())}
		if err := c.Govern(ctx, api, command); err != nil {
			return p, fmt.Errorf("registering %s: %w", principal, err)
		}
	}
	deposit := &fsm.Deposit{Account: "payer/" + p.Payer, Asset: "BLOCK", Amount: fsm.Amount{Lo: payerFunds}, Reference: p.Payer}
	if err := c.Govern(ctx, api, deposit); err != nil {
		return p, fmt.Errorf("paying in for %s: %w", p.Payer, err)
	}
	return p, nil
}

// RegisterMeters registers meters with a market, as many to a command as fit.
func (c *Committee) RegisterMeters(ctx context.Context, api *client.Client, market string, meters []fsm.MeterRow) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atATime)
	for start := 0; start < len(meters); start += fsm.MaxMetersPerCommand {
		command := &fsm.RegisterMeters{Market: market, Meters: meters[start:min(start+fsm.MaxMetersPerCommand, len(meters))]}
		group.Go(func() error { return c.Govern(ctx, api, command) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("registering meters: %w", err)
	}
	return nil
}

// Govern signs a threshold command with as many admins as it takes and submits it.
func (c *Committee) Govern(ctx context.Context, api *client.Client, command any) error {
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	first := client.Signer{Key: c.Admins[0], Cluster: c.Genesis.Cluster}
	e, err := first.BuildThreshold(command, salt, time.Now(), time.Hour)
	if err != nil {
		return err
	}
	for _, key := range c.Admins[1:c.Genesis.AdminThreshold] {
		e = client.Signer{Key: key, Cluster: c.Genesis.Cluster}.AddSignature(e)
	}
	_, err = api.Submit(ctx, e)
	return err
}
