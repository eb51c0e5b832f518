package outbox_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/client"
	"github.com/tallyvault/tallyvault/transport/client/outbox"
)

// A gateway: what is stored is sent, whatever happens, and each step is told.
func Example() {
	text, err := os.ReadFile("genesis.json")
	if err != nil {
		log.Fatal(err)
	}
	g, err := genesis.Parse(text)
	if err != nil {
		log.Fatal(err)
	}
	key, err := client.ReadKey("sunny.key")
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Dial(client.Config{URLs: []string{"https://node-a.example:7201"}, Genesis: g, Key: key})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	box, err := outbox.Open(outbox.Config{
		Path: "sunny.outbox", Cluster: c, Signer: client.Signer{Key: key, Cluster: g.Cluster}, Provider: "sunny",
		Changed: func(f outbox.Fate) { fmt.Println(f.Meter, f.MeasuredAt, f.Stage, f.Final) },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer box.Close()
	if err := box.Store(outbox.Measurement{Market: "energy", Meter: "roof-1", Register: 1_200_500, MeasuredAt: time.Now()}); err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := box.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
