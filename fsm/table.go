package fsm

import (
	"github.com/tallyvault/tallyvault/fsm/genesis"
	"github.com/tallyvault/tallyvault/fsm/strict"
)

// Type is the tag of a command in the log. Tags are never reused.
type Type uint16

// The commands. Tags below 100 take one signature, others the threshold.
const (
	TypeSubmitReading Type = 1
	TypeAttest        Type = 2
	TypeRotateKey     Type = 3
	TypeRevokeKey     Type = 4

	TypePropose          Type = 5
	TypeAmend            Type = 6
	TypeOpen             Type = 7
	TypeCancel           Type = 8
	TypeVote             Type = 9
	TypeQueue            Type = 10
	TypeExecute          Type = 11
	TypeVeto             Type = 12
	TypePause            Type = 13
	TypeWithdraw         Type = 14
	TypeCancelWithdrawal Type = 15

	TypeRegisterPrincipal  Type = 100
	TypeRegisterKey        Type = 101
	TypeRevokePrincipalKey Type = 102
	TypeRegisterMeters     Type = 103
	TypeRebaseMeter        Type = 104
	TypeSetOracleWeight    Type = 105
	TypeSetMarket          Type = 106
	TypeDeposit            Type = 107
	TypeReplaceNode        Type = 108
	TypeCancelReplacement  Type = 109
	TypeRollback           Type = 110
	TypeUnpause            Type = 111
	TypeSetHouse           Type = 112
	TypeSetTreasury        Type = 113
	TypePayout             Type = 114
	TypeRecordPayout       Type = 115
)

const (
	payloadPrefix = "application/vnd.tallyvault."
	payloadSuffix = ".v1+json"
)

// spec is one row of the command table.
type spec struct {
	tag  Type
	name string
	// payloadType is the DSSE payload type.
	payloadType string
	threshold   bool
	scope       string // the scope a signing key must have
	codec       *strict.Codec
	empty       func() any // a pointer to a zero payload
}

// Scopes beyond the names of commands.
const (
	ScopeRead      = "read"
	scopeThreshold = "threshold"
	// scopeOwnKeys covers rotating and revoking one's own keys; every key has it.
	scopeOwnKeys = "own_keys"
	// scopePropose covers a disbursement of one's own until its vote is open.
	scopePropose = "propose"
	// scopeWithdraw covers withdrawals of one's own.
	scopeWithdraw = "withdraw"
)

// specs is the one append-only table of commands.
var specs = []spec{
	row[SubmitReading](TypeSubmitReading, "submit_reading", "submit_reading"),
	row[Attest](TypeAttest, "attest", "attest"),
	row[RotateKey](TypeRotateKey, "rotate_key", scopeOwnKeys),
	row[RevokeKey](TypeRevokeKey, "revoke_key", scopeOwnKeys),
	row[Propose](TypePropose, "propose", scopePropose),
	row[Amend](TypeAmend, "amend", scopePropose),
	row[Open](TypeOpen, "open", scopePropose),
	row[Cancel](TypeCancel, "cancel", scopePropose),
	row[Vote](TypeVote, "vote", "vote"),
	row[Queue](TypeQueue, "queue", "queue"),
	row[Execute](TypeExecute, "execute", "execute"),
	row[Veto](TypeVeto, "veto", "veto"),
	row[Pause](TypePause, "pause", "pause"),
	row[Withdraw](TypeWithdraw, "withdraw", scopeWithdraw),
	row[CancelWithdrawal](TypeCancelWithdrawal, "cancel_withdrawal", scopeWithdraw),
	row[RegisterPrincipal](TypeRegisterPrincipal, "register_principal", scopeThreshold),
	row[RegisterKey](TypeRegisterKey, "register_key", scopeThreshold),
	row[RevokePrincipalKey](TypeRevokePrincipalKey, "revoke_principal_key", scopeThreshold),
	row[RegisterMeters](TypeRegisterMeters, "register_meters", scopeThreshold),
	row[RebaseMeter](TypeRebaseMeter, "rebase_meter", scopeThreshold),
	row[SetOracleWeight](TypeSetOracleWeight, "set_oracle_weight", scopeThreshold),
	row[SetMarket](TypeSetMarket, "set_market", scopeThreshold),
	row[Deposit](TypeDeposit, "deposit", scopeThreshold),
	row[ReplaceNode](TypeReplaceNode, "replace_node", scopeThreshold),
	row[CancelReplacement](TypeCancelReplacement, "cancel_replacement", scopeThreshold),
	row[Rollback](TypeRollback, "rollback", scopeThreshold),
	row[Unpause](TypeUnpause, "unpause", scopeThreshold),
	row[SetHouse](TypeSetHouse, "set_house", scopeThreshold),
	row[SetTreasury](TypeSetTreasury, "set_treasury", scopeThreshold),
	row[Payout](TypePayout, "payout", scopeThreshold),
	row[RecordPayout](TypeRecordPayout, "record_payout", scopeThreshold),
}

func row[T any](tag Type, name, scope string) spec {
	return spec{
		tag: tag, name: name, payloadType: payloadPrefix + name + payloadSuffix, scope: scope, threshold: tag >= 100,
		codec: strict.Compile(*new(T)), empty: func() any { return new(T) },
	}
}

func specOf(tag Type) *spec {
	for i := range specs {
		if specs[i].tag == tag {
			return &specs[i]
		}
	}
	return nil
}

func specOfPayloadType(payloadType string) *spec {
	for i := range specs {
		if specs[i].payloadType == payloadType {
			return &specs[i]
		}
	}
	return nil
}

// String is the command's name, e.g. "submit_reading".
func (t Type) String() string {
	if s := specOf(t); s != nil {
		return s.name
	}
	return "unknown"
}

// CommandNames lists every command in table order.
func CommandNames() []string {
	names := make([]string, 0, len(specs))
	for _, s := range specs {
		names = append(names, s.name)
	}
	return names
}

// PayloadType is the DSSE payload type of a command.
func (t Type) PayloadType() string {
	if s := specOf(t); s != nil {
		return s.payloadType
	}
	return payloadPrefix + t.String() + payloadSuffix
}

// NewPayload returns a pointer to a zero payload of a command by its name.
func NewPayload(name string) (payload any, t Type, ok bool) {
	for i := range specs {
		if specs[i].name == name {
			return specs[i].empty(), specs[i].tag, true
		}
	}
	return nil, 0, false
}

// rolePowers lists the default scopes of a role. Every role also has read and
// its own keys.
func rolePowers(role string) []string {
	switch role {
	case genesis.RoleProvider:
		return []string{"submit_reading", scopeWithdraw}
	case genesis.RolePayer:
		return []string{scopeWithdraw}
	case genesis.RoleOracle:
		return []string{"attest", "vote"}
	case genesis.RoleAdmin:
		return []string{scopeThreshold, scopePropose, "vote", "queue", "execute", "veto", "pause"}
	}
	return nil
}
