package api

// What a schema describes.
const (
	SchemaOfPayload = "payload"
	SchemaOfReceipt = "receipt"
	SchemaOfBody    = "body"
)

// SchemaName is one of the JSON Schemas that a node serves.
type SchemaName struct {
	Name string `json:"name" example:"SubmitReadingPayload"`
	Kind string `json:"kind" enum:"payload,receipt,body" doc:"what it describes: a command's payload, a kind of receipt, or a body of the API"`
	Path string `json:"path" doc:"where this node serves it"`
}

// Schemas is the list of schemas by name.
type Schemas struct {
	Schemas []SchemaName `json:"schemas"`
}
