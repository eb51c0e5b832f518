package agent_test

import (
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"

	"github.com/tallyvault/tallyvault/transport/agent"
	"github.com/tallyvault/tallyvault/transport/client"
)

func TestAgentsNeedAPolicy(t *testing.T) {
	c, err := client.Dial(client.Config{URLs: []string{"https://localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	policy := agent.Policy{Rules: []agent.Rule{{Market: "energy", Meter: "*"}}}
	if _, err := agent.New(agent.Config{Client: c, Key: key, Policy: policy}); err != nil {
		t.Error(err)
	}
	many := agent.Policy{}
	for i := range 17 {
		many.Rules = append(many.Rules, agent.Rule{Market: "market-" + string(rune('a'+i)), Meter: "*"})
	}
	for name, config := range map[string]agent.Config{
		"no policy":        {Client: c, Key: key},
		"no key":           {Client: c, Policy: policy},
		"no client":        {Key: key, Policy: policy},
		"too many markets": {Client: c, Key: key, Policy: many},
	} {
		if _, err := agent.New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
