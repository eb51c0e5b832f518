package envelope

import (
	"bytes"
	stdlib "crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/ed25519"
)

const golden = `{"payloadType":"application/vnd.tallyvault.test.v1+json","payload":"eyJhIjoxfQ==","signatures":[{"keyid":"21fe31dfa154a261626bf854046fd227","sig":"` + goldenSig + `"}]}`

const goldenSig = `aLPQg6C+UtoiydgCpi1+h9xqoGPqKNYiLA7wl18M/SUL06373bTU0NQm0C6S16xdpWml/FlPUbk4Q3l1SKEUCA==`

func goldenKey() ed25519.PrivateKey {
	seed, err := hex.DecodeString("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
	if err != nil {
		panic(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func TestGolden(t *testing.T) {
	e := Envelope{PayloadType: "application/vnd.tallyvault.test.v1+json", Payload: []byte(`{"a":1}`)}
	if got, want := string(e.PAE()), `DSSEv1 39 application/vnd.tallyvault.test.v1+json 7 {"a":1}`; got != want {
		t.Errorf("PAE %q, want %q", got, want)
	}
	e.Signatures = []Signature{Sign(goldenKey(), e.PayloadType, e.Payload)}
	if !stdlib.Verify(stdlib.PublicKey(goldenKey().Public().(ed25519.PublicKey)), e.PAE(), e.Signatures[0].Sig[:]) {
		t.Error("another Ed25519 implementation refuses the signature")
	}
	if got := string(e.JSON()); got != golden {
		t.Errorf("envelope\n%s\nwant\n%s", got, golden)
	}
	back, err := Parse([]byte(golden))
	if err != nil {
		t.Fatal(err)
	}
	if again := string(back.JSON()); again != golden {
		t.Errorf("parsed and written again\n%s", again)
	}
}

func TestReadsWhatDSSEAllows(t *testing.T) {
	urlSafe := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(goldenSig)
	tests := map[string]string{
		"URL-safe base64":  strings.Replace(golden, goldenSig, urlSafe, 1),
		"unpadded payload": strings.Replace(golden, "==\",\"sig", "\",\"sig", 1),
		"unknown field":    strings.Replace(golden, `{"payloadType"`, `{"note":[1,{}],"payloadType"`, 1),
	}
	for name, in := range tests {
		e, err := Parse([]byte(in))
		if err != nil || string(e.JSON()) != golden {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"not JSON":          {`x`, "not valid JSON"},
		"no payload type":   {`{"payload":"","signatures":[]}`, "no payloadType"},
		"bad base64":        {strings.Replace(golden, "eyJhIjoxfQ==", "e!", 1), "payload"},
		"loose last bits":   {strings.Replace(golden, "eyJhIjoxfQ==", "eyJhIjoxfR==", 1), "payload"},
		"short signature":   {strings.Replace(golden, goldenSig, "AAAA", 1), "signature 1: sig has 3 bytes"},
		"upper-case keyid":  {strings.Replace(golden, "21fe31", "21FE31", 1), "upper case"},
		"no keyid":          {strings.Replace(golden, `"keyid":"21fe31dfa154a261626bf854046fd227",`, "", 1), "signature 1: keyid"},
		"duplicate":         {strings.Replace(golden, `{"payloadType"`, `{"payload":"","payloadType"`, 1), "duplicate"},
		"trailing":          {golden + "{}", "not valid JSON"},
		"too large":         {`{"payload":"` + strings.Repeat("A", MaxJSON) + `"}`, "more than"},
		"payload too large": {`{"payloadType":"x","payload":"` + strings.Repeat("AAAA", MaxPayload/3+1) + `","signatures":[]}`, "payload is"},
	}
	for name, test := range tests {
		if _, err := Parse([]byte(test.in)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// The published DSSE vectors name keys by letters; here the key ids take their
// place, and vectors without ids get them too, since this reader demands them.
func TestPublishedVectors(t *testing.T) {
	dir := os.Getenv("TALLYVAULT_TESTDATA")
	if dir == "" {
		t.Skip("TALLYVAULT_TESTDATA is not set: the published vectors are not there")
	}
	b, err := os.ReadFile(filepath.Join(dir, "vectors/dsse/vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Keys    map[string]struct{ Public string }
		Vectors []struct {
			ID, Pae, Expect string
			Threshold       int
			TrustedKeys     []string
			Supported       []string `json:"supportedPayloadTypes"`
			Envelope        json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			if got := accepts(t, v.Envelope, v.Pae, v.Threshold, v.TrustedKeys, v.Supported, file.Keys); got != (v.Expect == "accept") {
				t.Errorf("accepted: %v, want %s", got, v.Expect)
			}
		})
	}
}

func accepts(t *testing.T, raw json.RawMessage, pae string, threshold int, trusted, supported []string, keys map[string]struct{ Public string }) bool {
	var w wire
	if err := json.Unmarshal(raw, &w); err != nil {
		t.Fatal(err)
	}
	for i := range w.Signatures {
		w.Signatures[i].KeyID = strings.Repeat("0", 32)
	}
	named, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Parse(named)
	if err != nil {
		return false
	}
	want, err := hex.DecodeString(pae)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(e.PAE(), want) {
		return false // the vector swaps what was signed
	}
	if len(supported) != 1 || supported[0] != e.PayloadType {
		return false
	}
	verified := 0
	for _, name := range trusted {
		public, err := hex.DecodeString(keys[name].Public)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range e.Signatures {
			if ed25519.Verify(public, e.PAE(), s.Sig[:]) {
				verified++
				break
			}
		}
	}
	return verified >= threshold
}

// What is accepted is written so that it is accepted again and means the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"payloadType":"a","payload":"","signatures":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data)
		if err != nil {
			return
		}
		again, err := Parse(e.JSON())
		if err != nil {
			t.Fatalf("own JSON refused: %v", err)
		}
		if again.Identity() != e.Identity() || !bytes.Equal(again.JSON(), e.JSON()) {
			t.Fatal("changed by a round trip")
		}
	})
}
