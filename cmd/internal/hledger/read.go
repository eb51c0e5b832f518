package hledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tallyvault/tallyvault/transport/api"
)

// Read reads of an export what a journal takes. Its longest lists, which the receipts
// tell of as well, are passed over row by row and left empty.
func Read(r io.Reader) (api.TreasuryExport, error) {
	var e api.TreasuryExport
	in := json.NewDecoder(r)
	if err := expect(in, '{'); err != nil {
		return e, err
	}
	members := map[string]json.RawMessage{}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return e, err
		}
		switch name {
		case "disbursements", "withdrawals":
			err = passOver(in)
		default:
			var value json.RawMessage
			err = in.Decode(&value)
			members[name.(string)] = value // a member's name is a string, or Token has failed
		}
		if err != nil {
			return e, err
		}
	}
	if err := expect(in, '}'); err != nil {
		return e, err
	}
	text, err := json.Marshal(members)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return e, err
	}
	if e.Format != api.ExportFormat {
		return e, fmt.Errorf("its format is %.64q, not %q", e.Format, api.ExportFormat)
	}
	return e, nil
}

func expect(in *json.Decoder, want json.Delim) error {
	got, err := in.Token()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err == nil && got != want {
		return fmt.Errorf("%v stands where %v belongs", got, want)
	}
	return err
}

// passOver reads a list and keeps nothing of it.
func passOver(in *json.Decoder) error {
	if err := expect(in, '['); err != nil {
		return err
	}
	for in.More() {
		var row json.RawMessage
		if err := in.Decode(&row); err != nil {
			return err
		}
	}
	return expect(in, ']')
}
