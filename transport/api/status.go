package api

import "encoding/json"

// Key is a registered key.
type Key struct {
	Key       string   `json:"key" doc:"key id"`
	PublicKey string   `json:"public_key"`
	Principal string   `json:"principal"`
	Role      string   `json:"role"`
	Scopes    []string `json:"scopes"`
	From      Uint64   `json:"from" doc:"height from which it counts"`
	Until     *Uint64  `json:"until,omitempty" doc:"height at which it ended or will end; absent while there is none"`
	Live      bool     `json:"live"`
}

// Keys is a list of keys.
type Keys struct {
	Page
	Keys []Key `json:"keys"`
}

// Lane is an independent nonce sequence of a key.
type Lane struct {
	Lane      string `json:"lane" doc:"0 to 15, or m/<meter>"`
	LastNonce Uint64 `json:"last_nonce" doc:"the next nonce must be above it"`
}

// Lanes are the used lanes of one key.
type Lanes struct {
	Page
	Key   string `json:"key"`
	Lanes []Lane `json:"lanes"`
}

// Node is a member of the committee.
type Node struct {
	Node        string          `json:"node"`
	Seat        uint8           `json:"seat" doc:"its number in clock statements and cosignatures, never given twice"`
	Standing    string          `json:"standing" enum:"joining,active,retired" doc:"only active nodes count"`
	NodeKey     string          `json:"node_key"`
	CosignerKey string          `json:"cosigner_key"`
	APIAddress  string          `json:"api_address"`
	PeerAddress string          `json:"peer_address"`
	This        bool            `json:"this,omitempty" doc:"the node that answers"`
	Leader      bool            `json:"leader,omitempty"`
	Pins        json.RawMessage `json:"pins,omitempty" doc:"DSSE envelope with the pins of the answering node's TLS key, signed by its node key"`
}

// Nodes is the committee.
type Nodes struct {
	Facts
	Cluster   string `json:"cluster"`
	Cosigners uint32 `json:"cosigners" doc:"k: how many must cosign a checkpoint"`
	Faulty    uint32 `json:"faulty" doc:"f: how many may lie without two histories becoming final"`
	Nodes     []Node `json:"nodes"`
}

// Status is how the answering node is doing.
type Status struct {
	Facts
	Node      string   `json:"node"`
	Cluster   string   `json:"cluster"`
	Era       string   `json:"era"`
	Version   string   `json:"version"`
	Role      string   `json:"role" doc:"leader, follower, candidate or stopped"`
	Leader    string   `json:"leader,omitempty" doc:"name of the leader, if known"`
	Ready     bool     `json:"ready"`
	Reasons   []string `json:"reasons" doc:"why it is not ready"`
	Height    Uint64   `json:"height"`
	Epoch     Uint64   `json:"epoch"`
	Now       int64    `json:"now" doc:"replicated time, unix ms"`
	TreeSize  Uint64   `json:"tree_size" doc:"leaves applied here"`
	FinalSize Uint64   `json:"final_size" doc:"leaves under a checkpoint that k nodes cosigned"`
	Cosigners []string `json:"cosigners" doc:"the nodes that cosigned that checkpoint"`
	Lag       Uint64   `json:"lag" doc:"entries committed but not yet applied here"`
	Alarms    []string `json:"alarms" doc:"see runbooks/alarms.md"`
	Peers     []Peer   `json:"peers"`

	Nodes           int   `json:"nodes" doc:"active nodes of the committee; a majority of them commits"`
	CosignersNeeded int   `json:"cosigners_needed" doc:"k: how many must cosign a checkpoint"`
	CheckpointAt    int64 `json:"checkpoint_at" doc:"newest cosignature on the newest checkpoint, unix ms by its cosigner's clock; 0 if there is none"`
	Clock           int64 `json:"clock" doc:"this machine's own clock, unix ms"`
	StartedAt       int64 `json:"started_at" doc:"when this process began, unix ms by its clock"`
	Disk            *Disk `json:"disk,omitempty" doc:"of the data directory, where the system can be asked"`
}

// Disk is the room on the file system of a data directory.
type Disk struct {
	FileSystem string `json:"file_system"`
	Free       Uint64 `json:"free" doc:"bytes"`
	Total      Uint64 `json:"total" doc:"bytes"`
}

// Peer is what another node last said of itself to the answering node.
type Peer struct {
	Node      string `json:"node"`
	Seen      bool   `json:"seen" doc:"whether it ever answered"`
	AgoMs     int64  `json:"ago_ms" doc:"how long ago that was"`
	Role      string `json:"role"`
	Index     Uint64 `json:"index" doc:"the last entry it has applied"`
	FinalSize Uint64 `json:"final_size"`
}

// Digest is the digest of the live state.
type Digest struct {
	Index  Uint64 `json:"index" doc:"the last entry that the state takes into account"`
	Digest string `json:"digest" doc:"SHA-256 of the state image"`
}

// Receipt is a journal leaf that states one outcome.
type Receipt struct {
	Leaf  Uint64          `json:"leaf"`
	Kind  string          `json:"kind,omitempty"`
	Final bool            `json:"final" doc:"whether a proof under a cosigned checkpoint can be had"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// OneReceipt is the answer about a single receipt.
type OneReceipt struct {
	Receipt
	Index      Uint64 `json:"index" doc:"the last entry that the answer takes into account"`
	Checkpoint Uint64 `json:"checkpoint" doc:"size of the newest cosigned checkpoint"`
	Proof      string `json:"proof,omitempty" doc:"path of the proof file, if final"`
}
