package smallfile

import (
	"encoding/json"
	"fmt"
	"strings"
)

// heads are the first characters of files that are no JSON.
var heads = []struct{ head, kind string }{
	{"tallyvault-key ", "a private key"},
	{"tallyvault-public ", "a public key"},
	{"-----BEGIN AGE", "an encrypted private key"},
	{"c2sp.org/tlog-proof", "a receipt"},
	{"# A checkpoint counts", "a policy"},
}

// members are those by which JSON of one kind is told.
var members = []struct {
	names []string
	kind  string
}{
	{[]string{"principal", "public_key", "proof"}, "the public statement of a principal"},
	{[]string{"command", "payload"}, "the draft of a command"},
	{[]string{"genesis", "changes"}, "a policy chain"},
}

// Kind says what a file looks like, for people who gave another one than is wanted;
// nothing where it does not look like one of ours. It judges by the outside alone.
func Kind(content []byte) string {
	for _, h := range heads {
		if strings.HasPrefix(string(content), h.head) {
			return h.kind
		}
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(content, &object) != nil {
		return ""
	}
	var payload string
	if json.Unmarshal(object["payloadType"], &payload) == nil {
		return kindOfPayload(payload)
	}
	for _, m := range members {
		found := 0
		for _, name := range m.names {
			if object[name] != nil {
				found++
			}
		}
		if found == len(m.names) {
			return m.kind
		}
	}
	return ""
}

func kindOfPayload(payload string) string {
	name, ours := strings.CutPrefix(payload, "application/vnd.tallyvault.")
	name, _, _ = strings.Cut(name, ".")
	switch {
	case !ours:
		return ""
	case name == "genesis":
		return "a genesis"
	case name == "node":
		return "the statement of a node, node.json"
	}
	return "a command, " + name
}

// Other adds to an error about a file what the file looks like instead.
func Other(err error, content []byte) error {
	if kind := Kind(content); err != nil && kind != "" {
		return fmt.Errorf("%w: the file looks like %s", err, kind)
	}
	return err
}
