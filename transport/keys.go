package transport

import (
	"encoding/hex"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallyvault/tallyvault/fsm"
	"github.com/tallyvault/tallyvault/fsm/envelope"
	"github.com/tallyvault/tallyvault/transport/api"
)

func (d *Door) keyRoutes() {
	read(d, huma.Operation{
		OperationID: "keys", Path: "/v1/keys", Tags: []string{"keys"}, Summary: "The registered keys by id, ended ones too",
	}, keys)
	read(d, huma.Operation{
		OperationID: "lanes", Path: "/v1/lanes", Tags: []string{"keys"}, Summary: "The lanes that a key has used, with the last nonce of each",
	}, lanes)
}

// keysInput narrows the list of keys; the limit counts what is looked at.
type keysInput struct {
	ListInput
	Principal string `query:"principal" maxLength:"64" doc:"only of this principal"`
	Key       string `query:"key" pattern:"^[0-9a-f]{32}$" doc:"only this one"`
}

func keys(s state, _ Reader, in *keysInput) (api.Keys, error) {
	p, last := s.page(in.Limit), ""
	out := api.Keys{Keys: []api.Key{}}
	if in.Key != "" {
		id, err := envelope.ParseKeyID(in.Key)
		if err != nil {
			return out, malformed("key", err)
		}
		k, known := s.Key(id)
		if !known {
			return out, missing("key", in.Key)
		}
		out.Page, out.Keys = p.Page, append(out.Keys, keyOfRow(k, s.Height()))
		return out, nil
	}
	var after envelope.KeyID
	if in.After != "" {
		var err error
		if after, err = envelope.ParseKeyID(in.After); err != nil {
			return out, malformed("after", err)
		}
	}
	s.AscendKeys(after, func(k *fsm.Key) bool {
		if !p.take(last) {
			return false
		}
		last = k.ID.String()
		if in.Principal == "" || k.Principal == in.Principal {
			out.Keys = append(out.Keys, keyOfRow(k, s.Height()))
		}
		return true
	})
	out.Page = p.Page
	return out, nil
}

func keyOfRow(k *fsm.Key, height uint64) api.Key {
	public := k.Public()
	out := api.Key{
		Key: k.ID.String(), PublicKey: hex.EncodeToString(public[:]), Principal: k.Principal, Role: k.Role,
		Scopes: append([]string{fsm.ScopeRead}, k.Scopes...), From: api.Uint64(k.From), Live: k.LiveAt(height),
	}
	if k.Until != fsm.NoEnd {
		until := api.Uint64(k.Until)
		out.Until = &until
	}
	return out
}

// lanesInput names a key, and perhaps one of its lanes.
type lanesInput struct {
	Freshness
	Credentials
	Key   string `query:"key" required:"true" pattern:"^[0-9a-f]{32}$" doc:"key id"`
	Lane  string `query:"lane" maxLength:"66" doc:"only this lane; its last nonce is 0 if it was never used"`
	After string `query:"after" maxLength:"66" doc:"the next of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func lanes(s state, _ Reader, in *lanesInput) (api.Lanes, error) {
	p, last := s.page(in.Limit), ""
	out := api.Lanes{Key: in.Key, Lanes: []api.Lane{}}
	id, err := envelope.ParseKeyID(in.Key)
	if err != nil {
		return out, malformed("key", err)
	}
	if _, known := s.Key(id); !known {
		return out, missing("key", in.Key)
	}
	if in.Lane != "" {
		out.Page = p.Page
		out.Lanes = append(out.Lanes, api.Lane{Lane: in.Lane, LastNonce: api.Uint64(s.View.Lane(id, in.Lane))})
		return out, nil
	}
	s.View.Lanes(id, in.After, func(lane string, nonce uint64) bool {
		if !p.take(last) {
			return false
		}
		last = lane
		out.Lanes = append(out.Lanes, api.Lane{Lane: lane, LastNonce: api.Uint64(nonce)})
		return true
	})
	out.Page = p.Page
	return out, nil
}

func malformed(field string, err error) *api.Problem {
	return problem(fsm.MalformedPayload, fsm.Field{Name: "field", Value: field}, fsm.Field{Name: "detail", Value: err.Error()})
}
