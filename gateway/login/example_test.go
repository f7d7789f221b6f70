package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

func ExampleNewKoala() {
	n := cluster() // in a program, what node.Start returns
	koala, err := login.NewKoala(login.KoalaConfig{
		Key:          "1234567890",
		Accounts:     "Door",             // an actor type that serves account.Accounts
		Caller:       n,                  // a node
		QuickConnect: []string{"Player"}, // none, if clients may not name actors
		Window:       time.Minute,        // clients have to send a timestamp
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	packet := fmt.Sprintf(`{"open_id":"ann","server_id":1,"timestamp":%d}`, time.Now().Unix())
	sum, _ := login.KoalaChecksum([]byte(packet), "1234567890")
	packet = strings.TrimSuffix(packet, "}") + `,"check_sum":"` + sum + `"}`

	for range 2 {
		admission, err := koala.Authenticate(context.Background(), &login.Request{Packet: []byte(packet)})
		fmt.Println(admission.Actor, err)
	}
	// Output:
	// Player/ann <nil>
	// / login refused: the login has been used before
}

func ExampleNewJWT() {
	tokens, err := login.NewJWT(login.JWTConfig{
		Secret:   secretOfIssuer(), // at least 32 random bytes; or JWKS: "https://id.example/keys"
		Issuer:   "https://id.example",
		Audience: []string{"game"},
		Actor:    "Player/{sub}",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	text := issue(`{"iss":"https://id.example","aud":"game","sub":"ann","exp":9e9}`)
	admission, err := tokens.Authenticate(context.Background(), &login.Request{Packet: []byte(text)})
	fmt.Println(admission.Actor, err)
	// Output: Player/ann <nil>
}

func ExampleFunc() {
	cookies := login.Func(func(ctx context.Context, r *login.Request) (login.Admission, error) {
		cookie, err := (&http.Request{Header: r.Header}).Cookie("session")
		if err != nil {
			return login.Admission{}, &login.Refusal{Code: edge.CodeLoginInvalid, Reason: "no cookie"}
		}
		user, err := userOf(ctx, cookie.Value)
		if err != nil {
			return login.Admission{}, &login.Refusal{Code: edge.CodeLoginRefused, Reason: "log in again"}
		}
		return login.Admission{Actor: mallee.ID{Type: "Player", Key: user}, User: user, First: r.Packet}, nil
	})

	r := &login.Request{Header: http.Header{"Cookie": {"session=of-ann"}}}
	admission, err := cookies.Authenticate(context.Background(), r)
	fmt.Println(admission.Actor, err)
	// Output: Player/ann <nil>
}

// Door is an actor type that answers for accounts.
type Door struct{}

// Login looks at whatever clients and Door have agreed on.
func (d *Door) Login(_ context.Context, l account.Login) (account.Admission, error) {
	user, password, _ := strings.Cut(string(l.Packet), ":")
	if password != "secret" {
		return account.Admission{}, ErrPassword
	}
	return account.Admission{Actor: mallee.ID{Type: "Player", Key: user}, User: user}, nil
}

// ErrPassword is what the client is told.
var ErrPassword = mallee.NewError("game.password", "wrong password")

func ExampleNewAccounts() {
	n := doorCaller{} // a node with account.AccountsType(newDoor, …) among its types, or in its cluster
	accounts, err := login.NewAccounts(n, "Accounts")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, packet := range []string{"ann:secret", "ann:guess"} {
		admission, err := accounts.Authenticate(context.Background(), &login.Request{Packet: []byte(packet)})
		fmt.Println(admission.Actor, err)
	}
	// Output:
	// Player/ann <nil>
	// / login refused: game.password: wrong password
}

type doorCaller struct{}

func (doorCaller) Invoke(ctx context.Context, _ mallee.ID, call mallee.Call) error {
	return call.Run(ctx, new(Door))
}

func cluster() mallee.Caller {
	return accountsCaller{func(l account.Login) (account.Admission, error) {
		return account.Admission{Actor: mallee.ID{Type: "Player", Key: l.User}}, nil
	}}
}

func userOf(_ context.Context, cookie string) (string, error) {
	user, ok := strings.CutPrefix(cookie, "of-")
	if !ok {
		return "", errors.New("no such session")
	}
	return user, nil
}

func secretOfIssuer() []byte { return secret }

func issue(claims string) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, nil)
	if err != nil {
		panic(err)
	}
	signed, err := signer.Sign([]byte(claims))
	if err != nil {
		panic(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// What docs/login.md shows is in the examples.
func TestDocument(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/login.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Error("it shows nothing")
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(withoutIndent(string(source)), withoutIndent(block)) {
			t.Errorf("not in the examples:\n%s", block)
		}
	}
}

func withoutIndent(code string) string {
	lines := strings.Split(strings.ReplaceAll(code, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " \t")
	}
	return strings.Join(lines, "\n")
}
