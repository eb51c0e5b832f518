package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/client"
)

// A payer gets enough for any demo; money that is not spent stays.
const payerFunds = 1_000_000_000

// setup registers providers, payers and meters and pays deposits in. Each step
// is a threshold command, signed by two of the three admins.
func (c *committee) setup(ctx context.Context, api *client.Client, meters []*meter) error {
	for _, p := range []struct{ name, role string }{
		{gridCoop, genesis.RoleProvider},
		{sunCoop, genesis.RoleProvider},
		{cityUtility, genesis.RolePayer},
		{greenFund, genesis.RolePayer},
	} {
		key, err := c.newPerson(p.name)
		if err != nil {
			return err
		}
		possession := genesis.Possession{Cluster: c.genesis.Cluster, Principal: p.name, Role: p.role, Key: key.Public}
		register := &fsm.RegisterPrincipal{
			Principal: p.name, Role: p.role, PublicKey: key.Public, Proof: possession.Prove(key.Ed25519()),
		}
		if err := c.govern(ctx, api, register); err != nil {
			return fmt.Errorf("registering %s: %w", p.name, err)
		}
	}
	for _, payer := range []string{cityUtility, greenFund} {
		deposit := &fsm.Deposit{
			Account: "payer/" + payer, Asset: "BLOCK", Amount: fsm.Amount{Lo: payerFunds}, Reference: "opening balance of " + payer,
		}
		if err := c.govern(ctx, api, deposit); err != nil {
			return fmt.Errorf("paying in for %s: %w", payer, err)
		}
	}
	for start := 0; start < len(meters); start += fsm.MaxMetersPerCommand {
		part := meters[start:min(start+fsm.MaxMetersPerCommand, len(meters))]
		register := &fsm.RegisterMeters{Market: market}
		for _, m := range part {
			register.Meters = append(register.Meters, fsm.MeterRow{
				Meter: m.id, Provider: m.provider, Payer: m.payer, Capacity: m.capacity,
				IntervalMs: interval.Milliseconds(), Decimals: decimals,
			})
		}
		if err := c.govern(ctx, api, register); err != nil {
			return fmt.Errorf("registering meters: %w", err)
		}
	}
	return nil
}

// govern signs a threshold command with two admins and submits it.
func (c *committee) govern(ctx context.Context, api *client.Client, command any) error {
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return err
	}
	first := c.signer(admins[0])
	e, err := first.BuildThreshold(command, salt, time.Now(), time.Hour)
	if err != nil {
		return err
	}
	_, err = api.Submit(ctx, c.signer(admins[1]).AddSignature(e))
	return err
}

func (c *committee) signer(name string) client.Signer {
	return client.Signer{Key: c.key(name), Cluster: c.genesis.Cluster}
}
