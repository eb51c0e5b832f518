package main

import (
	"reflect"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/tallyvault/tallyvault/cmd/internal/settings"
)

// env is the name of a setting in the environment.
func env(name string) []string { return []string{"TALLYVAULT_" + name} }

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Usage: "read settings from `FILE`, one \"name: value\" a line", EnvVars: env("CONFIG")}
}

// byHandOnly are flags that no file and no variable may set: consent that was
// given once for all is none.
var byHandOnly = []string{"yes", "config", "help"}

// nameInEnvironment gives each flag the variable that follows from its name,
// unless it has one of its own.
func nameInEnvironment(flags []cli.Flag) {
	for _, f := range flags {
		name := f.Names()[0]
		vars := reflect.ValueOf(f).Elem().FieldByName("EnvVars")
		if vars.Len() == 0 && !slices.Contains(byHandOnly, name) {
			vars.Set(reflect.ValueOf(env(strings.ToUpper(strings.ReplaceAll(name, "-", "_")))))
		}
	}
}

// configure fills in from the configuration file what neither a flag nor the
// environment has set. A name that no command knows is refused: a misspelt
// setting must not be silently without effect.
func configure(c *cli.Context) error {
	path := configPath(c)
	if path == "" {
		return nil
	}
	list, err := settings.ReadFile(path)
	if err != nil {
		return usage("%v", err)
	}
	known := settingNames(c.App.Commands)
	for _, s := range list {
		if !known[s.Name] {
			return usage("configuration %s: line %d: there is no setting %q", path, s.Line, s.Name)
		}
		if err := fill(c, s); err != nil {
			return usage("configuration %s: line %d: %s: %v", path, s.Line, s.Name, err)
		}
	}
	return nil
}

// configPath looks for --config before the noun and behind the verb.
func configPath(c *cli.Context) string {
	for _, level := range c.Lineage() {
		if path := level.String("config"); level.IsSet("config") && path != "" {
			return path
		}
	}
	return ""
}

func fill(c *cli.Context, s settings.Setting) error {
	for _, f := range c.Command.Flags {
		if !slices.Contains(f.Names(), s.Name) || c.IsSet(s.Name) {
			continue
		}
		if many, ok := f.(cli.DocGenerationSliceFlag); s.List && (!ok || !many.IsSliceFlag()) {
			return usage("takes one value, not a list")
		}
		for _, value := range s.Values {
			if err := c.Set(s.Name, value); err != nil {
				return err
			}
		}
		return nil
	}
	return nil // a setting of another command
}

// settingNames lists every flag of every command.
func settingNames(commands []*cli.Command) map[string]bool {
	names := map[string]bool{}
	for _, c := range commands {
		for _, f := range c.Flags {
			if name := f.Names()[0]; !slices.Contains(byHandOnly, name) {
				names[name] = true
			}
		}
		for name := range settingNames(c.Subcommands) {
			names[name] = true
		}
	}
	return names
}
