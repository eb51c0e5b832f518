package vectors

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/proof"
)

// receiptsFile is receipts.json: receipt files under the policy of genesis.
type receiptsFile struct {
	Policy string        `json:"policy"`
	Good   []goodReceipt `json:"good"`
	Bad    []badReceipt  `json:"bad"`
}

type goodReceipt struct {
	Name      string   `json:"name"`
	Index     uint64   `json:"index"`
	Size      uint64   `json:"size"`
	Root      string   `json:"root_hex"`
	Leaf      string   `json:"leaf_hex"`
	LeafText  string   `json:"leaf_text,omitempty"` // if it is a receipt
	Cosigners []string `json:"cosigners"`
	Reading   string   `json:"cited_reading,omitempty"` // identity of the one reading whose root a settlement cites
	File      string   `json:"file"`
}

type badReceipt struct {
	Name string     `json:"name"`
	Part proof.Part `json:"part"`
	File string     `json:"file"`
}

func (w *world) goodReceipt(name string, leaf uint64, nodes ...string) goodReceipt {
	w.t.Helper()
	file := w.receipt(leaf, nodes...)
	v, err := proof.VerifyProof(w.genesis.Policy(), file)
	if err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
	g := goodReceipt{
		Name: name, Index: v.Index, Size: v.Checkpoint.Size, Root: hex.EncodeToString(v.Checkpoint.Root[:]), Leaf: hex.EncodeToString(v.Leaf),
		Cosigners: v.Cosigners, File: string(file),
	}
	if v.Leaf[0] == fsm.LeafReceipt {
		g.LeafText = string(v.Leaf)
	}
	return g
}

func TestVectorsReceipts(t *testing.T) {
	w := newWorld(t)
	settlement := w.leafOf(fsm.KindSettlement)
	first := w.goodReceipt("settlement, two of three cosigned", settlement, "node-a", "node-c")
	first.Reading = w.readingNumbered(2).Identity().String()
	cases := receiptsFile{Policy: string(w.genesis.Policy().Format()), Good: []goodReceipt{
		first,
		w.goodReceipt("baseline, all cosigned", w.leafOf(fsm.KindReading), "node-a", "node-b", "node-c"),
		w.goodReceipt("threshold command", w.leafOf(fsm.KindThreshold), "node-b", "node-c"),
		w.goodReceipt("first leaf, an entry header", 0, "node-a", "node-b"),
		w.goodReceipt("last leaf", w.cut.Size-1, "node-a", "node-b"),
	}}
	good := w.receipt(settlement, "node-a", "node-c")
	for _, c := range badReceipts(w, settlement, string(good)) {
		_, err := proof.VerifyProof(w.genesis.Policy(), []byte(c.File))
		refused, ok := errors.AsType[*proof.Error](err)
		if !ok || refused.Part != c.Part {
			t.Errorf("%s: %v, want %s", c.Name, err, c.Part)
		}
		cases.Bad = append(cases.Bad, c)
	}
	file(t, "receipt.tlog-proof", good)
	document(t, "receipts.json", cases)
}

func badReceipts(w *world, leaf uint64, good string) []badReceipt {
	lines := strings.SplitAfter(good, "\n")
	gap := slices.Index(lines, "\n") // between path and note
	note := gap + 1
	edit := func(change func(l []string) []string) string { return strings.Join(change(slices.Clone(lines)), "") }
	replace := func(i int, line string) string {
		return edit(func(l []string) []string { l[i] = line; return l })
	}
	drop := func(i int) string { return edit(func(l []string) []string { return slices.Delete(l, i, i+1) }) }
	richer := bytes.Replace(w.leaves[leaf], []byte(`"net":"37"`), []byte(`"net":"97"`), 1)
	if bytes.Equal(richer, w.leaves[leaf]) {
		w.t.Errorf("no net amount to change in %s", richer)
	}
	forged := string(proof.FormatProof(richer, leaf, nil, nil))
	forgedExtra := strings.SplitAfter(forged, "\n")[1]
	number := decimal(leaf)
	return []badReceipt{
		{"another header", proof.PartHeader, replace(0, "c2sp.org/tlog-proof@v2\n")},
		{"empty", proof.PartHeader, ""},
		{"no leaf", proof.PartLeaf, drop(1)},
		{"leaf is no base64", proof.PartLeaf, replace(1, "extra ?\n")},
		{"no index", proof.PartIndex, drop(2)},
		{"index with leading zero", proof.PartIndex, replace(2, "index 0"+number+"\n")},
		{"index beyond the checkpoint", proof.PartIndex, replace(2, "index "+decimal(w.cut.Size)+"\n")},
		{"path too short", proof.PartPath, drop(3)},
		{"path too long", proof.PartPath, edit(func(l []string) []string { return slices.Insert(l, 3, l[3]) })},
		{"path is no base64", proof.PartPath, replace(3, "="+lines[3][1:])},
		{"higher amount", proof.PartInclusion, replace(1, forgedExtra)},
		{"another index", proof.PartInclusion, replace(2, "index "+decimal(leaf^1)+"\n")},
		{"path in another order", proof.PartInclusion, edit(func(l []string) []string { l[3], l[4] = l[4], l[3]; return l })},
		{"no checkpoint", proof.PartCheckpoint, strings.Join(lines[:note], "")},
		{"an extension line", proof.PartCheckpoint, edit(func(l []string) []string { return slices.Insert(l, note+3, "extension\n") })},
		{"size with leading zero", proof.PartCheckpoint, replace(note+1, "0"+lines[note+1])},
		{"another size", proof.PartSignature, replace(note+1, decimal(w.cut.Size+1)+"\n")},
		{"the log has not signed", proof.PartSignature, drop(note + 4)},
		{"a cosignature changed", proof.PartSignature, replace(note+5, flipBase64(lines[note+5]))},
		{"a cosignature is moved to another time", proof.PartSignature, replace(note+5, moved(w, lines[note+5]))},
		{"one cosignature", proof.PartPolicy, string(w.receipt(leaf, "node-b"))},
		{"one cosignature twice", proof.PartPolicy, edit(func(l []string) []string { return append(l[:note+6:note+6], l[note+5]) })},
		{"a stranger's in place of one", proof.PartPolicy, edit(func(l []string) []string {
			key := keyOf("stranger")
			c := proof.Cosign(w.genesis.ClusterID()+"/node-c", key, uint64(w.now/1000), w.checkpoint())
			return append(l[:note+6:note+6], c.Line())
		})},
		{"another cluster's", proof.PartPolicy, elsewhere(w, leaf)},
	}
}

// flipBase64 changes the signature in a signature line and leaves name and key alone.
func flipBase64(line string) string {
	at := len(line) - 10
	changed := byte('A')
	if line[at] == 'A' {
		changed = 'B'
	}
	return line[:at] + string(changed) + line[at+1:]
}

// moved is a cosignature under another time than the one it was made for.
func moved(w *world, line string) string {
	c, err := proof.ParseCosignature(line)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Time += 3600
	return c.Line()
}

// elsewhere is a receipt that the same keys signed for another journal.
func elsewhere(w *world, leaf uint64) string {
	log, err := w.genesis.OpenLogKey("node-a", seedOf("node-a sealing"))
	if err != nil {
		w.t.Fatal(err)
	}
	cp := w.checkpoint()
	cp.Origin = strings.Repeat("0", 32) + "/0"
	line, err := proof.SignLog(cp.Origin, log, cp)
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := proof.ParseProof(w.receipt(leaf, "node-a", "node-b"))
	if err != nil {
		w.t.Fatal(err)
	}
	var list []proof.Cosignature
	for _, n := range w.genesis.Nodes {
		list = append(list, proof.Cosign(w.genesis.CosignerName(n), keyOf(n.Name+" cosigner"), uint64(w.now/1000), cp))
	}
	return string(proof.FormatProof(p.Leaf, p.Index, p.Path, proof.Assemble(cp, line, list)))
}

// policiesFile is policies.json.
type policiesFile struct {
	Good []string  `json:"good"`
	Bad  []badText `json:"bad"`
}

func TestVectorsPolicies(t *testing.T) {
	g := found(t)
	good := string(g.Policy().Format())
	_, plain, _ := strings.Cut(good, "\n")
	edit := func(old, changed string) string { return string(text(plain).with(t, old, changed)) }
	lines := strings.SplitAfter(plain, "\n")
	without := func(i int) string { return strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "") }
	cases := policiesFile{Good: []string{good, plain, "# any\n# comments\n" + plain}, Bad: []badText{
		{"no log", "the first line names the log", without(0)},
		{"two logs", "exactly one log", lines[0] + plain},
		{"key hash of another key", "the hash in a key does not follow from name and key", edit("/node-a+", "/node-a+0")},
		{"group of one who is not", "the group names the witnesses in their order", edit("node-a node-b node-c", "node-a node-b node-d")},
		{"a witness outside of the group", "the group names the witnesses in their order", edit(" node-a node-b node-c", " node-a node-b")},
		{"more than all", "the threshold is at most the number of witnesses", edit("committee 2", "committee 4")},
		{"none needed", "the threshold is at least one", edit("committee 2", "committee 0")},
		{"no quorum", "the last line names the quorum", without(5)},
		{"witness twice", "two witnesses have one name", strings.Join(slices.Insert(slices.Clone(lines), 2, lines[1]), "")},
		{"no end of the last line", "a policy ends with a newline", strings.TrimSuffix(plain, "\n")},
		{"a comment further down", "comments stand at the head", strings.Join(slices.Insert(slices.Clone(lines), 2, "# here\n"), "")},
	}}
	for _, p := range cases.Good {
		if _, err := proof.ParsePolicy([]byte(p)); err != nil {
			t.Error(err)
		}
	}
	for _, c := range cases.Bad {
		if _, err := proof.ParsePolicy([]byte(c.Text)); err == nil {
			t.Errorf("policy %q is taken for good", c.Name)
		}
	}
	document(t, "policies.json", cases)
}
