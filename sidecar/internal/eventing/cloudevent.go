package eventing

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"time"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

// cloudEvent is an event on a topic: attributes and data of CloudEvents 1.0.
type cloudEvent struct {
	attributes  map[string]string // by their names, without a prefix
	contentType string
	data        []byte
}

// required are the attributes that every event has, and usual those that it may
// have, in the order in which methods get them.
var (
	required = [...]string{"id", "source", "specversion", "type"}
	usual    = [...]string{"subject", "dataschema", "time"}
)

const (
	specVersion       = "1.0"
	octets            = "application/octet-stream"
	structuredContent = "application/cloudevents+json"
	contentAttribute  = "datacontenttype"
)

// readCloudEvent reads a message in structured or binary mode. One that is no
// event of CloudEvents becomes one: of an unnamed type, from the source.
func readCloudEvent(m *broker.Message, source string) (*cloudEvent, error) {
	contentType := m.Headers[broker.ContentType]
	if media, _, _ := mime.ParseMediaType(contentType); media == structuredContent {
		return readStructured(m.Data)
	}
	e := &cloudEvent{attributes: make(map[string]string), contentType: contentType, data: m.Data}
	_, binary := m.Headers[broker.AttributePrefix+"specversion"]
	for name, value := range m.Headers {
		if attribute, ok := strings.CutPrefix(name, broker.AttributePrefix); ok && binary {
			e.attributes[attribute] = value
		}
	}
	e.takeContentType()
	e.missing("id", m.ID)
	e.missing("source", source)
	e.missing("specversion", specVersion)
	if !binary && !m.Time.IsZero() {
		e.missing("time", m.Time.UTC().Format(time.RFC3339Nano))
	}
	return e, nil
}

// missing sets an attribute that is not there.
func (e *cloudEvent) missing(name, value string) {
	if _, ok := e.attributes[name]; !ok && value != "" {
		e.attributes[name] = value
	}
}

// takeContentType makes the content type of its attribute, where there is one.
func (e *cloudEvent) takeContentType() {
	if t := e.attributes[contentAttribute]; t != "" {
		e.contentType = t
	}
	delete(e.attributes, contentAttribute)
	if e.contentType == "" {
		e.contentType = octets
	}
}

// readStructured reads an event in the JSON format.
func readStructured(text []byte) (*cloudEvent, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, fmt.Errorf("read a structured CloudEvent: %w", err)
	}
	e := &cloudEvent{attributes: make(map[string]string), contentType: jsonContent}
	for name, value := range members {
		if name == "data" || name == "data_base64" || string(value) == "null" {
			continue
		}
		text, ok := readString(value)
		if !ok {
			text = string(value) // a number or a boolean
		}
		e.attributes[name] = text
	}
	for _, name := range required {
		if e.attributes[name] == "" {
			return nil, fmt.Errorf("read a structured CloudEvent: it has no %s", name)
		}
	}
	e.takeContentType()
	return e, e.readData(members)
}

func (e *cloudEvent) readData(members map[string]json.RawMessage) error {
	if encoded, ok := members["data_base64"]; ok {
		if err := json.Unmarshal(encoded, &e.data); err != nil {
			return fmt.Errorf("read the data of a structured CloudEvent: %w", err)
		}
		return nil
	}
	e.data = members["data"]
	if media, _, _ := mime.ParseMediaType(e.contentType); !isJSON(media) {
		if text, ok := readString(members["data"]); ok {
			e.data = []byte(text)
		}
	}
	return nil
}

func readString(value json.RawMessage) (text string, ok bool) {
	return text, json.Unmarshal(value, &text) == nil
}

// metadata is what methods get of the event beside its payload.
func (e *cloudEvent) metadata() command.Metadata {
	var md command.Metadata
	names := slices.Clone(required[:])
	for _, name := range usual {
		if _, ok := e.attributes[name]; ok {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.attributes)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		md = append(md, command.Entry{Key: broker.AttributePrefix + name, Text: e.attributes[name]})
	}
	return append(md, command.Entry{Key: "Content-Type", Text: e.contentType})
}

// message is the event in binary mode.
func (e *cloudEvent) message() *broker.Message {
	m := &broker.Message{
		ID:      e.attributes["source"] + "/" + e.attributes["id"],
		Key:     e.attributes["partitionkey"],
		Headers: map[string]string{broker.ContentType: e.contentType},
		Data:    e.data,
	}
	if m.Key == "" {
		m.Key = e.attributes["subject"]
	}
	for name, value := range e.attributes {
		if value != "" {
			m.Headers[broker.AttributePrefix+name] = value
		}
	}
	return m
}
