package greenbutton

import (
	"encoding/xml"
	"fmt"

	"github.com/tallyvault/tallyvault/cmd/internal/intervals"
)

// tokens hands on the tokens of a text and refuses elements that lie too deep in each
// other: the decoder remembers every one that is open, also of what is skipped.
type tokens struct {
	text   *xml.Decoder
	pieces *intervals.Bounded
	depth  int
}

// Token is of [xml.TokenReader].
func (t *tokens) Token() (xml.Token, error) {
	token, err := t.text.Token()
	if err != nil {
		return nil, err
	}
	t.pieces.Next()
	switch token.(type) {
	case xml.StartElement:
		if t.depth++; t.depth > maxDepth {
			line, _ := t.text.InputPos()
			return nil, fmt.Errorf("line %d: elements lie more than %d deep in each other", line, maxDepth)
		}
	case xml.EndElement:
		t.depth--
	}
	return token, nil
}
