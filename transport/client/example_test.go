package client_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/api"
	"github.com/tallyvault/tallyvault/transport/client"
)

// vectors are files that a committee and its people have signed.
const vectors = "../../deploy/examples/vectors/"

func readGenesis() *genesis.Signed {
	text, err := os.ReadFile(vectors + "genesis.json")
	if err != nil {
		panic(err)
	}
	g, err := genesis.Parse(text)
	if err != nil {
		panic(err)
	}
	return g
}

// A provider signs a reading. The same bytes may be sent as often as it takes.
func ExampleSigner_Reading() {
	key, err := client.ParseKey(`tallyvault-key v1 ed25519
# sunny, key id a18ea63438818a50c5c8888dc14d352f
id a18ea63438818a50c5c8888dc14d352f
public c4252e67866005145ed28491e142e42bcffd44cc7b0bcae4d17018b33c399254
seed fd2633579811e29b04acbe49c7a0a5e507d621753919830165cd41328d7c57fc
`)
	if err != nil {
		log.Fatal(err)
	}
	signer := client.Signer{Key: key, Cluster: readGenesis().Cluster}
	now := time.UnixMilli(1_764_000_000_000)
	e, err := signer.Reading(client.Reading{
		Market: "energy", Meter: "roof-1", Register: 1_200_500, MeasuredAt: now.Add(-time.Minute), ClockSync: "ntp", MeterStatus: "ok",
	}, 1, now, 4*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(e.PayloadType)
	fmt.Println(string(e.Payload))
	// Output:
	// application/vnd.tallyvault.submit_reading.v1+json
	// {"cluster":"249750e7944bbcc69dde1153e5fc9036","era":"0-0000000000000000000000000000000000000000000000000000000000000000","lane":"m/roof-1","nonce":"1","issued_at":1764000000000,"expires_at":1764000240000,"signer":"a18ea63438818a50c5c8888dc14d352f","market":"energy","meter":"roof-1","register":"1200500","measured_at":1763999940000,"quality":{"clock_sync":"ntp","meter_status":"ok"}}
}

// Somebody who has the genesis file judges a receipt without a network.
func ExampleEvidence_Verify() {
	evidence, err := client.EvidenceOf(readGenesis(), "")
	if err != nil {
		log.Fatal(err)
	}
	file, err := os.ReadFile(vectors + "receipt.tlog-proof")
	if err != nil {
		log.Fatal(err)
	}
	proven, err := evidence.Verify(file)
	if err != nil {
		log.Fatal(err)
	}
	settlement := proven.Body.(*fsm.SettlementReceipt)
	fmt.Printf("leaf %d of %d: %s of %s to %s, %s, cosigned by %v\n",
		proven.Leaf, proven.Size, proven.Kind, settlement.Net, settlement.Provider, settlement.Status, proven.Cosigners)
	// Output:
	// leaf 16 of 23: settlement of 37 to sunny, held, cosigned by [node-a node-c]
}

// A command is sent until its outcome is known, and then waited for until it is final.
func ExampleClient_Submit() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	key, err := client.ReadKey("sunny.key")
	if err != nil {
		log.Fatal(err)
	}
	g := readGenesis()
	c, err := client.Dial(client.Config{URLs: []string{"https://node-a.example:7201", "https://node-b.example:7201"}, Genesis: g, Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	signer := client.Signer{Key: key, Cluster: g.Cluster}
	nonce, err := c.NextNonce(ctx, signer.KeyID(), client.MeterLane("roof-1"))
	if err != nil {
		log.Fatal(err)
	}
	e, err := signer.Reading(client.Reading{Market: "energy", Meter: "roof-1", Register: 1_200_500, MeasuredAt: c.Now()}, nonce, c.Now(), 4*time.Minute)
	if err != nil {
		log.Fatal(err)
	}
	outcome, err := c.Submit(ctx, e)
	if err != nil {
		log.Fatal(err) // a *client.Refused says why, and what to do
	}
	if _, err := c.Await(ctx, e.Identity()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("reading", outcome.Result["number"], "is final")
}

// Whoever follows keeps the leaf of the last event that was dealt with, and goes on
// from there after a restart, at any node.
func ExampleClient_Follow() {
	c, err := client.Dial(client.Config{URLs: []string{"https://node-a.example:7201", "https://node-b.example:7201"}, Genesis: readGenesis()})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	position := uint64(0) // what was kept when the program ended
	filter := client.EventFilter{Kinds: []string{"settlement", "release", api.EventCheckpoint}, Provider: "sunny"}
	for event, err := range c.Follow(context.Background(), filter, position) {
		if err != nil {
			log.Fatal(err)
		}
		switch {
		case event.Checkpoint != nil:
			fmt.Println("final up to leaf", event.Checkpoint.Size)
		default:
			fmt.Println(event.Kind, string(event.Receipt))
		}
		position = uint64(event.Leaf)
		fmt.Println("keep", position)
	}
}
