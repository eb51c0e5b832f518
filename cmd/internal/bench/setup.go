package bench

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

// What the bench's meters measure: 180 units an hour, far below capacity, in
// steps small enough that thousands of readings lie within a week.
const (
	interval     = 10 * time.Second
	delta        = 500
	decimals     = 3
	capacity     = 1_000_000
	payerFunds   = 1 << 60
	atATime      = 4 // registrations under way
	registration = 5 * time.Minute
)

// parties are who sends readings and who pays for them.
type parties struct {
	suffix   string // sets this run's names apart from another's
	provider string
	payer    string
	key      ed25519.PrivateKey // the provider's
}

// register brings provider, payer and deposit into the cluster.
func (s *site) register(ctx context.Context, api *client.Client) (parties, error) {
	var random [4]byte
	if _, err := rand.Read(random[:]); err != nil {
		return parties{}, err
	}
	p := parties{suffix: hex.EncodeToString(random[:])}
	p.provider, p.payer = "bench-provider-"+p.suffix, "bench-payer-"+p.suffix
	for name, role := range map[string]string{p.provider: genesis.RoleProvider, p.payer: genesis.RolePayer} {
		key, err := keyfile.Generate(keyfile.Ed25519, rand.Reader)
		if err != nil {
			return p, err
		}
		if role == genesis.RoleProvider {
			p.key = key.Ed25519()
		}
		possession := genesis.Possession{Cluster: s.genesis.Cluster, Principal: name, Role: role, Key: key.Public}
		command := &fsm.RegisterPrincipal{Principal: name, Role: role, PublicKey: key.Public, Proof: possession.Prove(key.Ed25519())}
		if err := s.govern(ctx, api, command); err != nil {
			return p, fmt.Errorf("registering %s: %w", name, err)
		}
	}
	deposit := &fsm.Deposit{Account: "payer/" + p.payer, Asset: "BLOCK", Amount: fsm.Amount{Lo: payerFunds}, Reference: p.payer}
	if err := s.govern(ctx, api, deposit); err != nil {
		return p, fmt.Errorf("paying in for %s: %w", p.payer, err)
	}
	return p, nil
}

// registerMeters registers a fleet's meters, as many to a command as fit.
func (s *site) registerMeters(ctx context.Context, api *client.Client, p parties, f *fleet) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atATime)
	for start := 0; start < len(f.ids); start += fsm.MaxMetersPerCommand {
		command := &fsm.RegisterMeters{Market: f.market}
		for _, id := range f.ids[start:min(start+fsm.MaxMetersPerCommand, len(f.ids))] {
			command.Meters = append(command.Meters, fsm.MeterRow{
				Meter: id, Provider: p.provider, Payer: p.payer, Capacity: capacity,
				IntervalMs: interval.Milliseconds(), Decimals: decimals,
			})
		}
		group.Go(func() error { return s.govern(ctx, api, command) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("registering meters: %w", err)
	}
	return nil
}

// govern signs a threshold command with as many admins as it takes and submits it.
func (s *site) govern(ctx context.Context, api *client.Client, command any) error {
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	first := client.Signer{Key: s.admins[0], Cluster: s.genesis.Cluster}
	e, err := first.BuildThreshold(command, salt, time.Now(), time.Hour)
	if err != nil {
		return err
	}
	for _, key := range s.admins[1:s.genesis.AdminThreshold] {
		e = client.Signer{Key: key, Cluster: s.genesis.Cluster}.AddSignature(e)
	}
	_, err = api.Submit(ctx, e)
	return err
}
