package eventing

import (
	"errors"
	"fmt"
	"mime"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/htmlindex"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Content types. A protobuf message is named by the event's type, and so is the
// Any of a payload with its whole type URL.
const (
	anyContent   = "application/vnd.cloudstate.protobuf.any"
	protoContent = "application/protobuf"
	jsonContent  = "application/json"
	textContent  = "text/plain; charset=utf-8"
)

// payload makes of the data what the user function gets, by its content type.
// What is no protobuf message is wrapped, as field 1 of one.
func (e *cloudEvent) payload() (command.Payload, error) {
	media, parameters, _ := mime.ParseMediaType(e.contentType)
	switch {
	case media == protoContent, media == "application/x-protobuf", media == "application/vnd.google.protobuf":
		return e.proto(parameters)
	case media == anyContent:
		return command.Payload{TypeURL: e.attributes["type"], Value: e.data}, nil
	case isJSON(media):
		return command.Payload{TypeURL: jsonPrefix + e.attributes["type"], Value: wrap(e.data)}, nil
	case strings.HasPrefix(media, "text/"):
		text, err := toUTF8(e.data, parameters["charset"])
		return command.Payload{TypeURL: primitivePrefix + "string", Value: wrap(text)}, err
	default:
		return command.Payload{TypeURL: primitivePrefix + "bytes", Value: wrap(e.data)}, nil
	}
}

func isJSON(media string) bool {
	return media == jsonContent || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")
}

func (e *cloudEvent) proto(parameters map[string]string) (command.Payload, error) {
	for _, name := range []string{parameters["proto"], parameters["messagetype"], e.attributes["type"]} {
		switch {
		case name == "":
		case strings.Contains(name, "/"):
			return command.Payload{TypeURL: name, Value: e.data}, nil
		default:
			return command.Payload{TypeURL: spec.URLPrefix + name, Value: e.data}, nil
		}
	}
	return command.Payload{}, fmt.Errorf("an event of content type %s does not say of which type it is", e.contentType)
}

func toUTF8(text []byte, charset string) ([]byte, error) {
	if charset == "" {
		charset = "utf-8"
	}
	encoding, err := htmlindex.Get(charset)
	if err != nil {
		return nil, fmt.Errorf("a text is in charset %q, which is not known", charset)
	}
	if name, _ := htmlindex.Name(encoding); name != "utf-8" {
		return encoding.NewDecoder().Bytes(text)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("a text is not UTF-8; its content type should name its charset")
	}
	return text, nil
}

// content is the other side of payload: the data, its content type, and the
// type of the event, where a reply does not say otherwise.
func content(p command.Payload) (data []byte, contentType, eventType string, err error) {
	if name, ok := strings.CutPrefix(p.TypeURL, jsonPrefix); ok {
		data, err = unwrap(p.Value)
		return data, jsonContent, name, err
	}
	switch p.TypeURL {
	case primitivePrefix + "string":
		data, err = unwrap(p.Value)
		return data, textContent, "", err
	case primitivePrefix + "bytes":
		data, err = unwrap(p.Value)
		return data, octets, "", err
	}
	if name, ok := strings.CutPrefix(p.TypeURL, spec.URLPrefix); ok {
		return p.Value, protoContent, name, nil
	}
	return p.Value, anyContent, p.TypeURL, nil
}

// wrap makes a message of which field 1 is the data.
func wrap(data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), data)
}

// unwrap is the other side of wrap. A field that is not there is empty.
func unwrap(message []byte) (data []byte, err error) {
	for len(message) > 0 {
		number, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		message = message[n:]
		if n = protowire.ConsumeFieldValue(number, typ, message); n < 0 {
			return nil, protowire.ParseError(n)
		}
		if number == 1 && typ == protowire.BytesType {
			data, _ = protowire.ConsumeBytes(message)
		}
		message = message[n:]
	}
	return data, nil
}
