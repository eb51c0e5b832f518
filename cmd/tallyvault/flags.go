package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/keyfile"
	"github.com/tallyvault/tallyvault/cmd/internal/smallfile"
	"github.com/tallyvault/tallyvault/cmd/internal/words"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/transport/client"
)

// Flags that several commands share, so that each means one thing everywhere.

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON on standard output instead of words"}
}

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Usage: "do not ask before signing (cannot be set by a variable or a file)"}
}

func outFlag(what string) cli.Flag {
	return &cli.StringFlag{Name: "out", Usage: "write " + what + " to `FILE`"}
}

func genesisFlag(why string) cli.Flag {
	return &cli.StringFlag{Name: "genesis", Usage: "genesis `FILE` of the cluster: " + why}
}

func keyFlag(whose string) cli.Flag {
	return &cli.StringFlag{Name: "key", Usage: "private key `FILE` of " + whose}
}

func passphraseFlag() cli.Flag {
	return &cli.StringFlag{Name: "passphrase-file", Usage: "`FILE` whose first line is the passphrase of encrypted keys (else $" + keyfile.PassphraseEnv + ", else a question)"}
}

// clusterFlags say which cluster to talk to.
func clusterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "api", Usage: "`URL` of a node's API, repeatable (default: all nodes in the genesis)"},
		genesisFlag("its node keys vouch for the nodes' certificates; without it, the system's authorities must"),
		&cli.DurationFlag{Name: "timeout", Value: time.Minute, Usage: "how long to try"},
		passphraseFlag(),
	}
}

// dial makes a client for what clusterFlags say. key may be nil.
func dial(c *cli.Context, key *keyfile.Key) (*client.Client, error) {
	return dialURLs(c, c.StringSlice("api"), key)
}

// dialURLs makes a client for some of the cluster's nodes; none are all.
func dialURLs(c *cli.Context, urls []string, key *keyfile.Key) (*client.Client, error) {
	return dialWith(c, client.Config{URLs: urls}, key)
}

func dialWith(c *cli.Context, config client.Config, key *keyfile.Key) (*client.Client, error) {
	urls := config.URLs
	if c.IsSet("genesis") {
		g, err := readGenesis(c)
		if err != nil {
			return nil, err
		}
		if err := g.CheckSigned(); err != nil {
			return nil, err
		}
		config.Genesis = g
		if len(urls) == 0 {
			config.URLs = apiAddresses(g)
		}
	}
	if len(config.URLs) == 0 {
		return nil, usage("no node to talk to: give --api URL or --genesis FILE")
	}
	if key != nil {
		if config.Genesis == nil {
			return nil, usage("--genesis must be given: a token names its cluster")
		}
		config.Key = key.Ed25519()
	}
	api, err := client.Dial(config)
	if err != nil {
		return nil, usage("%v", err)
	}
	return api, nil
}

// apiAddresses lists the URLs of all nodes in a genesis.
func apiAddresses(g *genesis.Signed) []string {
	var urls []string
	for _, n := range g.Nodes {
		urls = append(urls, n.APIAddress)
	}
	return urls
}

// reach dials as the owner of --key, if there is one, and bounds the time. The
// caller must call done.
func reach(c *cli.Context) (ctx context.Context, api *client.Client, done func(), err error) {
	return reachURLs(c, c.StringSlice("api"))
}

func reachURLs(c *cli.Context, urls []string) (ctx context.Context, api *client.Client, done func(), err error) {
	var key *keyfile.Key
	if c.IsSet("key") {
		k, err := readKey(c, c.String("key"))
		if err != nil {
			return nil, nil, nil, err
		}
		key = &k
	}
	if api, err = dialURLs(c, urls, key); err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("timeout"))
	return ctx, api, func() { cancel(); api.Close() }, nil
}

// readGenesis reads the file named by --genesis.
func readGenesis(c *cli.Context) (*genesis.Signed, error) {
	return readGenesisFile(c.String("genesis"))
}

func readGenesisFile(path string) (*genesis.Signed, error) {
	data, err := smallfile.Read(path, envelope.MaxJSON)
	if err != nil {
		return nil, fmt.Errorf("reading the genesis: %w", err)
	}
	g, err := genesis.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("genesis %s: %w", path, smallfile.Other(err, data))
	}
	return g, nil
}

// optionalGenesis is nil where none was named.
func optionalGenesis(c *cli.Context) (*genesis.Signed, error) {
	if !c.IsSet("genesis") {
		return nil, nil
	}
	return readGenesis(c)
}

func passphrases(c *cli.Context) keyfile.Passphrases {
	return keyfile.Passphrases{File: c.String("passphrase-file")}
}

// readKey opens a signing key.
func readKey(c *cli.Context, path string) (keyfile.Key, error) {
	key, err := keyfile.Read(path, passphrases(c).Ask)
	if err != nil {
		return key, err
	}
	if key.Kind != keyfile.Ed25519 {
		return key, fmt.Errorf("%s holds a key of kind %s, which cannot sign", path, key.Kind)
	}
	return key, nil
}

// confirm asks a person. Where standard input carried the thing to be decided,
// the terminal itself is asked.
func confirm(c *cli.Context, question string) error {
	if c.Bool("yes") {
		return nil
	}
	in := c.App.Reader
	if slices.Contains(c.Args().Slice(), "-") {
		terminal, err := os.Open("/dev/tty")
		if err != nil {
			return advise(fmt.Errorf("standard input is taken and there is no terminal to ask at: %w", err), "Read it from a file, or add --yes after reading it yourself.")
		}
		defer terminal.Close() // nothing is written to it
		in = terminal
	}
	tell(c, "%s [yes/no] ", question)
	// A read from a terminal cannot be cancelled. If a signal comes first, the
	// read is left behind with the process, which ends.
	answer := make(chan string, 1)
	go func() {
		line, err := bufio.NewReader(io.LimitReader(in, 100)).ReadString('\n')
		if err != nil && line == "" {
			line = "nothing"
		}
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-c.Context.Done():
		return c.Context.Err()
	case said := <-answer:
		if said == "yes" || said == "y" {
			return nil
		}
		return fmt.Errorf("not signed: the answer was %q, not yes (--yes signs without asking)", said)
	}
}

// tell writes words for people. There is nobody to tell that telling failed.
func tell(c *cli.Context, format string, args ...any) {
	_, _ = io.WriteString(c.App.ErrWriter, words.Shown(fmt.Sprintf(format, args...)))
}

// printf writes a result in words, or a line of JSON, which both stay what they are.
func printf(c *cli.Context, format string, args ...any) error {
	return steer(c, words.Shown(fmt.Sprintf(format, args...)))
}

// steer writes a result that may steer the terminal.
func steer(c *cli.Context, text string) error {
	if _, err := io.WriteString(c.App.Writer, text); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// printJSON writes a result as indented JSON.
func printJSON(c *cli.Context, v any) error {
	encoder := json.NewEncoder(c.App.Writer)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// deliver writes a result to the file named by --out, else to standard output.
// A file that exists is not overwritten: it may hold somebody's signature.
func deliver(c *cli.Context, data []byte) error {
	return deliverFrom(c, bytes.NewReader(data))
}

// deliverFrom is deliver for what is too long to be held.
func deliverFrom(c *cli.Context, data io.Reader) error {
	path := c.String("out")
	if path == "" || path == "-" {
		if _, err := io.Copy(c.App.Writer, data); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return nil
	}
	if err := createFileFrom(path, data); err != nil {
		return err
	}
	tell(c, "Wrote %s.\n", path)
	return nil
}

func createFile(path string, data []byte) error {
	return createFileFrom(path, bytes.NewReader(data))
}

// createFileFrom leaves no file behind that is not whole.
func createFileFrom(path string, data io.Reader) error {
	err := smallfile.Create(path, data)
	if errors.Is(err, os.ErrExist) {
		return advise(fmt.Errorf("%s exists already and is not overwritten", path), "Name another file, or remove that one.")
	}
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}
