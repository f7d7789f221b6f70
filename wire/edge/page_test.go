package edge_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire/edge"
)

// spoken is a frame of the session in docs/gateway.md, or the beginning of a
// connection.
type spoken struct {
	title string // its first word is who speaks
	bytes []byte
}

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

func sessionOfPage(t *testing.T) (all []spoken) {
	t.Helper()
	_, block, _ := strings.Cut(page(t), "```session\n")
	block, _, found := strings.Cut(block, "```")
	if !found {
		t.Fatal("docs/gateway.md has no session")
	}
	for line := range strings.Lines(block) {
		if !strings.HasPrefix(line, "  ") {
			all = append(all, spoken{title: strings.TrimSpace(line)})
			continue
		}
		digits, _, _ := strings.Cut(line, "|")
		b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		last := &all[len(all)-1]
		last.bytes = append(last.bytes, b...)
	}
	return all
}

// The page's client says what edge.Client says, and its gateway is understood.
func TestSessionOfThePage(t *testing.T) {
	t.Parallel()
	c := edge.NewClient(10, 1000)
	var due []edge.Data // frames that the client writes by itself
	var got []string
	for _, s := range sessionOfPage(t) {
		if strings.HasPrefix(s.title, "==") {
			var login json.RawMessage
			if c.Resume() == nil {
				login = json.RawMessage(`{"open_id":"ada","server_id":1}`)
			}
			hello, err := edge.Encode(c.Begin(login))
			if err != nil {
				t.Fatal(err)
			}
			due = []edge.Data{{Kind: edge.KindLogin, Payload: hello}}
			continue
		}
		kind, size, err := edge.ParseHeader([edge.HeaderSize]byte(s.bytes), 1<<16)
		if err != nil || size != len(s.bytes)-edge.HeaderSize {
			t.Fatalf("%s: %d bytes: %v", s.title, size, err)
		}
		payload := s.bytes[edge.HeaderSize:]
		if strings.HasPrefix(s.title, "client ") {
			if want := say(t, c, &due, kind, payload); !bytes.Equal(s.bytes, want) {
				t.Fatalf("%s: %q, where edge.Client says %q", s.title, s.bytes, want)
			}
			continue
		}
		event, err := c.Read(kind, payload)
		if err != nil {
			t.Fatalf("%s: %v", s.title, err)
		}
		if event.Data.Kind != 0 {
			got = append(got, string(event.Data.Payload))
		}
	}
	if want := "\x00\xff Grüße here you are"; strings.Join(got, " ") != want {
		t.Errorf("%q, not %q", got, want)
	}
}

// say is what the client writes when it is its turn to write such a frame.
func say(t *testing.T, c *edge.Client, due *[]edge.Data, kind edge.Kind, payload []byte) []byte {
	t.Helper()
	d := edge.Data{Kind: kind, Payload: payload}
	switch {
	case len(*due) > 0:
		d, *due = (*due)[0], nil
	case kind == edge.KindAck:
		n, _ := c.Ack(1)
		d.Payload = edge.AppendAck(nil, n)
	case kind.Data():
		next, again := c.Next() // what is sent once more
		if !again {
			if err := c.Send(d); err != nil {
				t.Fatal(err)
			}
			next, _ = c.Next()
		}
		d = next
	}
	return edge.AppendFrame(nil, d.Kind, d.Payload)
}

// The page says of each code what Action says.
func TestCodesOfThePage(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(page(t), "### Codes")
	table, _, _ = strings.Cut(table, "###")
	actions := map[string]edge.Action{"stop": edge.ActStop, "resume": edge.ActResume, "login": edge.ActLogin}
	codes := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		code, err := strconv.Atoi(strings.TrimSpace(cells[1]))
		if err != nil {
			continue
		}
		codes++
		want, known := actions[strings.TrimSpace(cells[3])]
		if got := edge.Code(code).Action(); !known || got != want {
			t.Errorf("%d: the page says %s, Action %d", code, cells[3], got)
		}
	}
	if codes != 22 {
		t.Errorf("%d codes", codes)
	}
}
