package api

// Envelope is the DSSE v1 envelope in which a command travels. The server reads
// the bytes itself; this type documents them.
type Envelope struct {
	PayloadType string      `json:"payloadType" doc:"application/vnd.tallyvault.<command>.v1+json" example:"application/vnd.tallyvault.submit_reading.v1+json"`
	Payload     string      `json:"payload" doc:"base64 of the payload, one strict JSON object"`
	Signatures  []Signature `json:"signatures" minItems:"1" maxItems:"64"`
}

// Signature is one Ed25519 signature over the PAE of an envelope.
type Signature struct {
	KeyID string `json:"keyid" doc:"id of the signing key: 32 hex digits"`
	Sig   string `json:"sig" doc:"base64 of 64 bytes"`
}

// Outcome is what became of a command. It stands once and for all: a resend of
// the same bytes is answered with the same outcome.
type Outcome struct {
	ID       string            `json:"id" doc:"identity of the command: SHA-256 of its PAE"`
	Command  string            `json:"command" doc:"name of the command" example:"submit_reading"`
	Accepted bool              `json:"accepted"`
	Code     string            `json:"code,omitempty" doc:"why it was refused"`
	Cause    string            `json:"cause,omitempty"`
	Recovery string            `json:"recovery,omitempty"`
	Fields   map[string]string `json:"fields,omitempty" doc:"the values behind the cause"`
	Result   map[string]string `json:"result,omitempty" doc:"what the command brought forth, e.g. a reading's number"`
	Entry    Uint64            `json:"entry" doc:"number of the log entry that held it"`
	Height   Uint64            `json:"height" doc:"replicated height at which it was judged"`
	At       int64             `json:"at" doc:"replicated time at which it was judged, unix ms"`
	Leaf     Uint64            `json:"leaf" doc:"journal leaf of the command"`
	Receipts []Uint64          `json:"receipts" doc:"journal leaves of the receipts it brought forth"`
	Final    bool              `json:"final" doc:"whether a checkpoint cosigned by the committee covers it"`
}

// BatchLine is one line of a batch's answer: the outcome, or the problem that
// the command met at the door.
type BatchLine struct {
	Line    int      `json:"line" doc:"number of the line in the request, from 1"`
	Outcome *Outcome `json:"outcome,omitempty"`
	Problem *Problem `json:"problem,omitempty"`
}
