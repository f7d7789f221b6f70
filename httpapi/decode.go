package httpapi

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee/internal/jsonargs"
)

// decode reads a body into the arguments of a call, once it is what the schema
// says: the document and the decoder cannot disagree.
func decode(s *schemas, schema *huma.Schema, body []byte, args any) error {
	value, bad := jsonargs.Parse(body)
	if bad != nil {
		return badBody(*bad)
	}
	if errs := newChecker(s).check(schema, value); len(errs) > 0 {
		return badBody(errs...)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(args); err != nil {
		return badBody(*jsonargs.TypeError(err))
	}
	return nil
}
