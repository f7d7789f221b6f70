package login

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/wire/edge"
)

// KoalaConfig says how clients of Koala log in: with a JSON object that has
// open_id, server_id and check_sum (see KoalaChecksum), and whatever else.
type KoalaConfig struct {
	// Key is the private key that clients compute checksums with.
	Key string
	// SkipChecksum takes whatever a client says for true. Then clients can be
	// anybody, unless Accounts finds out.
	SkipChecksum bool
	// Accounts is the actor type that answers for clients which do not name an
	// actor (see package account). Empty: they are refused.
	Accounts string
	// Caller reaches Accounts: a node.
	Caller mallee.Caller
	// QuickConnect are the actor types of which a client may name an actor
	// itself, by actor_type and actor_id, without asking Accounts; "*" is all
	// but those of the runtime (Mallee…).
	// Whoever has the key can then be bound to any of these actors. Empty: none.
	QuickConnect []string
	// Window is how far timestamp, in seconds since 1970, may be from now.
	// Within it a checksum is taken once by this process; another gateway takes
	// it once too. 0: timestamps are not looked at, and logins can be repeated.
	Window time.Duration
	// Remembered is the most logins that are remembered for Window; when there
	// are more, further ones are refused with edge.CodeOverloaded. Each takes
	// about 65 bytes. Defaults to 1,000,000.
	Remembered int
}

// Frames that Koala documents for clients whose login has failed.
const (
	frameChecksum = `{"error_code":10001, "msg":"check sum fail"}`
	frameFields   = `{"error_code":10002, "msg":"token fields error"}`
)

type koala struct {
	config   KoalaConfig
	accounts accounts
	used     used
}

// NewKoala is an Authenticator for clients of Koala. It refuses with
//
//	edge.CodeTooLarge       more than edge.MaxLogin bytes
//	edge.CodeLoginInvalid   not a JSON object, a missing or unreadable member
//	edge.CodeLoginRefused   wrong checksum, an actor that may not be named, or by Accounts
//	edge.CodeLoginExpired   timestamp outside of the window
//	edge.CodeLoginReplayed  the checksum was used before
//
// Where Python and C# write a value or sort names differently, either checksum
// is right; lists and objects are refused unless SkipChecksum is set.
func NewKoala(config KoalaConfig) (Authenticator, error) {
	switch {
	case config.Key == "" && !config.SkipChecksum:
		return nil, errors.New("login: Key is empty, so anybody could compute checksums; set it, or SkipChecksum")
	case config.Accounts == "" && len(config.QuickConnect) == 0:
		return nil, errors.New("login: nobody could log in; set Accounts or QuickConnect")
	case config.Accounts != "" && config.Caller == nil:
		return nil, errors.New("login: Accounts is set and Caller is nil")
	case config.Window < 0:
		return nil, fmt.Errorf("login: Window is %s", config.Window)
	case config.Window > 0 && config.SkipChecksum:
		return nil, errors.New("login: Window means nothing with SkipChecksum, as timestamps could be changed")
	}
	return &koala{
		config:   config,
		accounts: accounts{config.Caller, config.Accounts},
		used:     used{most: config.Remembered},
	}, nil
}

func (k *koala) Authenticate(ctx context.Context, r *Request) (Admission, error) {
	if err := checkSize(r); err != nil {
		return Admission{}, err
	}
	p, err := parsePacket(r.Packet)
	if err != nil {
		return Admission{}, badFields(err)
	}
	var sum string
	if !k.config.SkipChecksum {
		if sum, err = k.verify(p); err != nil {
			return Admission{}, err
		}
	}
	l := account.Login{Packet: r.Packet}
	if l.User, err = p.word("open_id"); err != nil {
		return Admission{}, badFields(err)
	}
	if l.Server, err = p.number("server_id", 32); err != nil {
		return Admission{}, badFields(err)
	}
	if k.config.Window > 0 {
		if err := k.useUp(p, sum); err != nil {
			return Admission{}, err
		}
	}
	switch {
	case p.has("actor_type") && p.has("actor_id"):
		return k.quickConnect(p, l)
	case k.config.Accounts == "":
		return Admission{}, badFields(errors.New("actor_type and actor_id are missing"))
	}
	return k.accounts.ask(ctx, l)
}

// verify returns the checksum if it is the packet's.
func (k *koala) verify(p packet) (string, error) {
	given, err := p.word(checksumName)
	if err != nil {
		return "", badFields(err)
	}
	equal := 0
	for _, d := range []dialect{python, csharp} {
		sum, err := p.checksum(d, k.config.Key)
		if err != nil {
			return "", badFields(err)
		}
		equal |= subtle.ConstantTimeCompare([]byte(given), []byte(sum))
	}
	if equal == 0 {
		return "", &Refusal{Code: edge.CodeLoginRefused, Reason: "the checksum is wrong", Frame: []byte(frameChecksum)}
	}
	return given, nil
}

// useUp takes each checksum once, before anybody is asked, so that of two equal
// logins at the same time one is refused. It is the checksum that counts, as
// who has read a packet can write the same one with other bytes.
func (k *koala) useUp(p packet, sum string) error {
	stamp, err := p.number("timestamp", 64)
	if err != nil {
		return badFields(err)
	}
	now, at := time.Now(), time.Unix(stamp, 0)
	if at.Before(now.Add(-k.config.Window)) || at.After(now.Add(k.config.Window)) {
		return &Refusal{Code: edge.CodeLoginExpired, Reason: "the timestamp is not of now"}
	}
	return k.used.use(markOf(sum), at.Add(k.config.Window), now)
}

func (k *koala) quickConnect(p packet, l account.Login) (Admission, error) {
	var id mallee.ID
	var err error
	if id.Type, err = p.word("actor_type"); err != nil {
		return Admission{}, badFields(err)
	}
	if id.Key, err = p.word("actor_id"); err != nil {
		return Admission{}, badFields(err)
	}
	if err := id.Validate(); err != nil {
		return Admission{}, badFields(err)
	}
	if !k.mayName(id.Type) {
		return Admission{}, &Refusal{Code: edge.CodeLoginRefused, Reason: fmt.Sprintf("clients may not name actors of type %.64q", id.Type)}
	}
	return Admission{Actor: id, User: l.User, Server: l.Server}, nil
}

// mayName keeps clients away from actors of the runtime, whatever "*" is.
func (k *koala) mayName(actorType string) bool {
	all := slices.Contains(k.config.QuickConnect, "*") && !strings.HasPrefix(actorType, "Mallee")
	return all || slices.Contains(k.config.QuickConnect, actorType)
}

func badFields(err error) error {
	return &Refusal{Code: edge.CodeLoginInvalid, Reason: err.Error(), Frame: []byte(frameFields)}
}
