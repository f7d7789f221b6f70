package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

// vectors were computed by Koala's own code in Python and in C#.
var vectors = []struct{ key, packet, sum string }{
	{"1234567890", `{"open_id":"1", "server_id":2, "timestamp":1212121}`, "2b3c2c4505f72edccbae6accbde6f1293e7c8a39f2508a032eab616402bbac3b"},
	{"1234567890", `{"open_id": "open_id_2", "server_id": 2, "actor_type": "IPlayer", "actor_id": "2"}`, "c5ae776e4c9e6aff985b34a77acb4296df2bd0a83fe65316132056353517bf26"},
	{"1234567890", `{"open_id": "open_id_1", "server_id": 1}`, "72c542a6d2c844234842196c3212c3ec2ad5aaaed4f00be88f34693cfcf17cd4"},
	{"1234567890", `{"open_id":"open_id_1","server_id":4,"actor_type":"IPlayer","actor_id":1}`, "5d577b96f13a6fd5cfb740a68533d0edb2704399548de299643569718b3916f7"},
	{"1234567890", `{"server_id":7,"open_id":"u-1","timestamp":1700000000,"vip":true,"trial":false,"delta":-5}`, "227221f391f83997f8a62d64c5e4886bd04d59f09f2b3b334eda82ff6fe670e0"},
	{"", `{"open_id":"玩家","server_id":3,"timestamp":1700000001}`, "fadb80d5a6e56496ff7b7210aca24dbc3ba3001c9ccda8fbb01f4bef91449626"},
	{"kéy", `{"timestamp":"1700000002","server_id":"12","open_id":"A","zone":1.5}`, "0a6b7a8132bed4a34f68ac638d96e34de82d64f0d6460d0a9ec25b813abb8cdd"},
	{"1234567890", `{"check_sum":"ignored","open_id":"","server_id":0}`, "69f4429a657bdaa51e462ff4c5d2da4ebe67de30ecb3eb3983c8cc29192580d0"},
	{"1234567890", `{"open_id":"big","server_id":1,"timestamp":9007199254740993}`, "5c3b545a2d07e0ce17dc908f953bf7f6a10541c1933149906e570b50315565ff"},
}

// divergent are packets whose checksums differ between Python and C#. Both are
// taken.
var divergent = []struct{ packet, python, csharp string }{
	{`{"open_id":"n","server_id":1,"x":null}`, "55ba8dbd39db407c2f9d1ab079395bd303cbd053e1ea32f50070664360fd0f44", "cc89f6af0c064c12180d7de0cfea439e15c74641bc5136e50c88a94efb76f79c"},
	{`{"open_id":"n","server_id":1,"x":1.0}`, "208594b78d932167ee38c1e165e70aebbdafe8fb802c1f077184dafb408fe45d", "94852761f97a91fdb550452bec05cc1577bf763ef2d4ffc7aa90d5daf78c71b9"},
	{`{"open_id":"n","server_id":1,"x":1e2}`, "9c32c2d6d7c0a2112b8dca82312fb0d15cf519fae844771a3b7899861533de27", "70e9b9e0ae4ad8fa0895851cd3bf8d87f4aa1893d3c7a9ad8960a5a32efd6993"},
	{`{"open_id":"n","server_id":1,"x":1e16}`, "0fcca676b623c4b231abb65af46910950c815e3d6df647b5a55ad20e04e5ced5", "678de4f40cbbd69c5f06831df75ef3fd9d3a6707014465a993619a37a18f8bc0"},
	{`{"open_id":"n","server_id":1,"Zed":"cap","_x":"","a1":"q"}`, "71df54192474d01b798b92edd7d6b5786498fc58ff2e0b9ea1e060fb866c5a07", "4ceb5aece0730bdd8c8b38aa48f4aa0063925b7146be99ed59df0c38b6047a95"},
}

func TestKoalaVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		if sum, err := login.KoalaChecksum([]byte(v.packet), v.key); err != nil || sum != v.sum {
			t.Errorf("%s: %s, %v", v.packet, sum, err)
		}
		if v.key != "" {
			k := newKoala(t, login.KoalaConfig{Key: v.key, QuickConnect: []string{"IPlayer"}})
			admitted(t, k, withSum(v.packet, v.sum))
			refuses(t, k, withSum(v.packet, strings.ToUpper(v.sum)), edge.CodeLoginRefused)
		}
	}
	k := newKoala(t, login.KoalaConfig{Key: "1234567890"})
	for _, v := range divergent {
		admitted(t, k, withSum(v.packet, v.python))
		admitted(t, k, withSum(v.packet, v.csharp))
	}
	// Text that looks like a time is text, as in Python; what C# makes of it
	// depends on its culture. Lists are refused, as both write them their way.
	admitted(t, k, withSum(`{"open_id":"n","server_id":1,"x":"2024-04-25T21:25:09Z"}`, "08b763d782cbdad61f17cfcd631012f0eebf1dde267a20ccba477203daab4edd"))
	refuses(t, k, withSum(`{"open_id":"n","server_id":1,"x":[1,2]}`, "1df40808dd4076a0085d1eb816ad98decf67b9a055ebb81983078b63e25aaa79"), edge.CodeLoginInvalid)
}

func TestKoalaNumbers(t *testing.T) {
	t.Parallel()
	k := newKoala(t, login.KoalaConfig{Key: "k"})
	for number, texts := range map[string][]string{
		"-0":                       {"0"},
		"123456789012345678901234": {"123456789012345678901234"},
		"-0.0":                     {"-0.0", "-0"},
		"0.00001":                  {"1e-05", "1E-05"},
		"0.0001":                   {"0.0001"},
		"1.5e300":                  {"1.5e+300", "1.5E+300"},
		"123456789012345.5":        {"123456789012345.5"},
		"1e15":                     {"1000000000000000.0", "1E+15"},
	} {
		for _, text := range texts {
			admitted(t, k, withSum(`{"open_id":"n","server_id":1,"x":`+number+`}`, hash("open_idnserver_id1x"+text+"k")))
		}
	}
}

func TestKoalaAdmission(t *testing.T) {
	t.Parallel()
	k := newKoala(t, login.KoalaConfig{Key: "k", QuickConnect: []string{"Player"}})

	packet := sign(`{"open_id":"ann","server_id":"12","open_id":"bob"}`)
	a := admitted(t, k, packet)
	if a.User != "bob" || a.Server != 12 || a.Actor != (mallee.ID{Type: "Player", Key: "bob"}) || string(a.First) != packet {
		t.Errorf("account login: %+v", a)
	}
	a = admitted(t, k, sign(`{"open_id":7,"server_id":-3,"actor_type":"Player","actor_id":9007199254740993}`))
	if a.User != "7" || a.Server != -3 || a.Actor != (mallee.ID{Type: "Player", Key: "9007199254740993"}) || a.First != nil {
		t.Errorf("quick connect: %+v", a)
	}
	refuses(t, k, sign(`{"open_id":"x","server_id":1,"actor_type":"Admin","actor_id":"1"}`), edge.CodeLoginRefused)
	refuses(t, newKoala(t, login.KoalaConfig{Key: "k"}), sign(`{"open_id":"x","server_id":1,"actor_type":"Player","actor_id":"1"}`), edge.CodeLoginRefused)
	all := newKoala(t, login.KoalaConfig{Key: "k", QuickConnect: []string{"*"}})
	admitted(t, all, sign(`{"open_id":"x","server_id":1,"actor_type":"Any","actor_id":"1"}`))
	refuses(t, all, sign(`{"open_id":"x","server_id":1,"actor_type":"MalleeReminders","actor_id":"1"}`), edge.CodeLoginRefused)
	// With one of the two names it is not a quick connect.
	admitted(t, k, sign(`{"open_id":"x","server_id":1,"actor_type":"Player"}`))

	alone, err := login.NewKoala(login.KoalaConfig{Key: "k", QuickConnect: []string{"Player"}})
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, alone, sign(`{"open_id":"x","server_id":1}`), edge.CodeLoginInvalid)
}

func TestKoalaBadLogins(t *testing.T) {
	t.Parallel()
	k := newKoala(t, login.KoalaConfig{Key: "k", QuickConnect: []string{"*"}})
	deep := strings.Repeat(`[`, 7000) + strings.Repeat(`]`, 7000)
	for name, bad := range map[string]struct {
		packet string
		code   edge.Code
	}{
		"empty":                {``, edge.CodeLoginInvalid},
		"blank":                {" \n", edge.CodeLoginInvalid},
		"not JSON":             {`{"open_id":`, edge.CodeLoginInvalid},
		"more behind it":       {sign(`{"open_id":"a","server_id":1}`) + `{}`, edge.CodeLoginInvalid},
		"not an object":        {`["open_id"]`, edge.CodeLoginInvalid},
		"null":                 {`null`, edge.CodeLoginInvalid},
		"not UTF-8":            {"{\"open_id\":\"\xff\",\"server_id\":1}", edge.CodeLoginInvalid},
		"half a surrogate":     {`{"open_id":"\ud800","server_id":1,"check_sum":"x"}`, edge.CodeLoginInvalid},
		"half in a name":       {`{"\ud800":"","open_id":"a","server_id":1,"check_sum":"x"}`, edge.CodeLoginInvalid},
		"oversized":            {`{"open_id":"` + strings.Repeat("a", edge.MaxLogin) + `","server_id":1}`, edge.CodeTooLarge},
		"deep":                 {`{"open_id":"a","server_id":1,"check_sum":"x","x":` + deep + `}`, edge.CodeLoginInvalid},
		"huge float":           {`{"open_id":"a","server_id":1,"check_sum":"x","x":1e999}`, edge.CodeLoginInvalid},
		"no checksum":          {`{"open_id":"a","server_id":1}`, edge.CodeLoginInvalid},
		"checksum null":        {`{"open_id":"a","server_id":1,"check_sum":null}`, edge.CodeLoginInvalid},
		"checksum empty":       {`{"open_id":"a","server_id":1,"check_sum":""}`, edge.CodeLoginRefused},
		"wrong key":            {withSum(`{"open_id":"a","server_id":1}`, hash("open_idaserver_id1l")), edge.CodeLoginRefused},
		"changed":              {strings.Replace(sign(`{"open_id":"a","server_id":1}`), `"a"`, `"b"`, 1), edge.CodeLoginRefused},
		"no user":              {sign(`{"server_id":1}`), edge.CodeLoginInvalid},
		"user null":            {sign(`{"open_id":null,"server_id":1}`), edge.CodeLoginInvalid},
		"user true":            {sign(`{"open_id":true,"server_id":1}`), edge.CodeLoginInvalid},
		"no server":            {sign(`{"open_id":"a"}`), edge.CodeLoginInvalid},
		"server a word":        {sign(`{"open_id":"a","server_id":"one"}`), edge.CodeLoginInvalid},
		"server a fraction":    {sign(`{"open_id":"a","server_id":1.5}`), edge.CodeLoginInvalid},
		"server beyond 32 bit": {sign(`{"open_id":"a","server_id":2147483648}`), edge.CodeLoginInvalid},
		"huge server":          {sign(`{"open_id":"a","server_id":` + strings.Repeat("9", 5000) + `}`), edge.CodeLoginInvalid},
		"actor without a key":  {sign(`{"open_id":"a","server_id":1,"actor_type":"P","actor_id":""}`), edge.CodeLoginInvalid},
		"actor with a slash":   {sign(`{"open_id":"a","server_id":1,"actor_type":"P/Q","actor_id":"1"}`), edge.CodeLoginInvalid},
		"actor's long key":     {sign(`{"open_id":"a","server_id":1,"actor_type":"P","actor_id":"` + strings.Repeat("k", 1025) + `"}`), edge.CodeLoginInvalid},
	} {
		refusal := refuses(t, k, bad.packet, bad.code)
		want := map[edge.Code]string{
			edge.CodeLoginInvalid: `{"error_code":10002, "msg":"token fields error"}`,
			edge.CodeLoginRefused: `{"error_code":10001, "msg":"check sum fail"}`,
		}[bad.code]
		if string(refusal.Frame) != want {
			t.Errorf("%s: frame %s", name, refusal.Frame)
		}
	}
}

func TestKoalaSkipChecksum(t *testing.T) {
	t.Parallel()
	k := newKoala(t, login.KoalaConfig{SkipChecksum: true})
	deep := strings.Repeat(`[`, 4000) + strings.Repeat(`]`, 4000)
	admitted(t, k, `{"open_id":"a","server_id":1,"check_sum":"no","x":`+deep+`}`)
	refuses(t, k, `{"open_id":"a"}`, edge.CodeLoginInvalid)
}

func TestKoalaWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := newKoala(t, login.KoalaConfig{Key: "k", Window: time.Minute, Remembered: 3})
		at := func(offset time.Duration) string {
			return sign(fmt.Sprintf(`{"open_id":"a","server_id":1,"timestamp":%d}`, time.Now().Add(offset).Unix()))
		}
		refuses(t, k, sign(`{"open_id":"a","server_id":1}`), edge.CodeLoginInvalid)
		refuses(t, k, sign(`{"open_id":"a","server_id":1,"timestamp":1e9}`), edge.CodeLoginInvalid)
		refuses(t, k, sign(`{"open_id":"a","server_id":1,"timestamp":99999999999999999999}`), edge.CodeLoginInvalid)
		refuses(t, k, sign(`{"open_id":"a","server_id":1,"timestamp":9223372036854775807}`), edge.CodeLoginExpired)
		refuses(t, k, sign(`{"open_id":"a","server_id":1,"timestamp":-9223372036854775808}`), edge.CodeLoginExpired)
		refuses(t, k, at(-61*time.Second), edge.CodeLoginExpired)
		refuses(t, k, at(61*time.Second), edge.CodeLoginExpired)

		early := at(time.Minute)
		admitted(t, k, early)
		refuses(t, k, early, edge.CodeLoginReplayed)
		refuses(t, k, " "+early, edge.CodeLoginReplayed) // other bytes, the same login
		admitted(t, k, at(-time.Minute))
		admitted(t, k, at(0))
		refuses(t, k, at(1*time.Second), edge.CodeOverloaded)

		time.Sleep(61 * time.Second)
		admitted(t, k, at(0))
		refuses(t, k, early, edge.CodeLoginReplayed) // still within its window
		time.Sleep(60 * time.Second)
		refuses(t, k, early, edge.CodeLoginExpired)
		admitted(t, k, at(0)) // all are forgotten that could be
		admitted(t, k, at(1*time.Second))
	})
}

// Of many equal logins at one time, one is taken.
func TestKoalaReplayedAtOnce(t *testing.T) {
	t.Parallel()
	k := newKoala(t, login.KoalaConfig{Key: "k", Window: time.Hour})
	packet := sign(fmt.Sprintf(`{"open_id":"a","server_id":1,"timestamp":%d}`, time.Now().Unix()))
	var taken [20]bool
	var all sync.WaitGroup
	for i := range taken {
		all.Go(func() {
			_, err := k.Authenticate(t.Context(), &login.Request{Packet: []byte(packet)})
			taken[i] = err == nil
		})
	}
	all.Wait()
	if n := len(slices.DeleteFunc(taken[:], func(ok bool) bool { return !ok })); n != 1 {
		t.Errorf("%d were taken", n)
	}
}

func TestKoalaConfig(t *testing.T) {
	t.Parallel()
	caller := accountsCaller{}
	for want, config := range map[string]login.KoalaConfig{
		"Key is empty":              {Accounts: "Door", Caller: caller},
		"nobody could log in":       {Key: "k"},
		"Caller is nil":             {Key: "k", Accounts: "Door"},
		"Window is -1s":             {Key: "k", Accounts: "Door", Caller: caller, Window: -time.Second},
		"nothing with SkipChecksum": {SkipChecksum: true, Accounts: "Door", Caller: caller, Window: time.Second},
	} {
		if _, err := login.NewKoala(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// newKoala binds whoever does not name an actor to Player/<user>.
func newKoala(t testing.TB, config login.KoalaConfig) login.Authenticator {
	t.Helper()
	config.Accounts = "Door"
	config.Caller = accountsCaller{func(l account.Login) (account.Admission, error) {
		return account.Admission{Actor: mallee.ID{Type: "Player", Key: l.User + "0"[min(len(l.User), 1):]}}, nil
	}}
	k, err := login.NewKoala(config)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// accountsCaller is a cluster that has one actor of account.Accounts.
type accountsCaller struct {
	login func(account.Login) (account.Admission, error)
}

func (a accountsCaller) Login(_ context.Context, l account.Login) (account.Admission, error) {
	return a.login(l)
}

func (a accountsCaller) Invoke(ctx context.Context, _ mallee.ID, call mallee.Call) error {
	return call.Run(ctx, a)
}

// sign gives an object its checksum, with the key "k".
func sign(object string) string {
	sum, err := login.KoalaChecksum([]byte(object), "k")
	if err != nil {
		panic(err)
	}
	return withSum(object, sum)
}

func withSum(object, sum string) string {
	return strings.TrimSuffix(object, "}") + `,"check_sum":"` + sum + `"}`
}

func admitted(t testing.TB, a login.Authenticator, packet string) login.Admission {
	t.Helper()
	admission, err := a.Authenticate(t.Context(), &login.Request{Packet: []byte(packet)})
	if err != nil {
		t.Errorf("%.300s: %v", packet, err)
	}
	return admission
}

func refuses(t testing.TB, a login.Authenticator, packet string, code edge.Code) *login.Refusal {
	t.Helper()
	var refusal *login.Refusal
	_, err := a.Authenticate(t.Context(), &login.Request{Packet: []byte(packet)})
	if !errors.As(err, &refusal) {
		t.Fatalf("%.300s: %v, want a refusal", packet, err)
	}
	if refusal.Code != code || refusal.Reason == "" {
		t.Errorf("%.300s: %d %q, want %d", packet, refusal.Code, refusal.Reason, code)
	}
	return refusal
}

// What is admitted has the checksum of its own members, and nothing panics.
func FuzzKoala(f *testing.F) {
	for _, v := range vectors {
		f.Add([]byte(withSum(v.packet, v.sum)), v.key)
	}
	for _, v := range divergent {
		f.Add([]byte(withSum(v.packet, v.python)), "1234567890")
		f.Add([]byte(withSum(v.packet, v.csharp)), "1234567890")
	}
	f.Add([]byte(`{"open_id":"\ud83d\ude00","server_id": 1 ,"x":-0,"check_sum":""}`), "k")
	f.Add([]byte(`{"a":{"b":[1,{}]}}`), "k")
	f.Fuzz(func(t *testing.T, message []byte, key string) {
		if key == "" {
			return
		}
		k := newKoala(t, login.KoalaConfig{Key: key, QuickConnect: []string{"*"}})
		authenticate := func(message []byte) error {
			_, err := k.Authenticate(t.Context(), &login.Request{Packet: message})
			var refusal *login.Refusal
			if err != nil && !errors.As(err, &refusal) {
				t.Fatalf("%q: %v", message, err)
			}
			return err
		}
		if authenticate(message) == nil {
			checkSum(t, message, key)
		}
		// The same message with a checksum of our own is never refused for it.
		var members map[string]json.RawMessage
		if sum, err := login.KoalaChecksum(message, key); err == nil && json.Unmarshal(message, &members) == nil {
			members["check_sum"] = json.RawMessage(`"` + sum + `"`)
			signed, _ := json.Marshal(members)
			var refusal *login.Refusal
			if errors.As(authenticate(signed), &refusal) && refusal.Code == edge.CodeLoginRefused {
				t.Errorf("%s: %s", signed, refusal.Reason)
			}
		}
	})
}

// checkSum computes the checksum in another way than the package: with values
// of encoding/json, for packets on which Python and C# agree.
func checkSum(t *testing.T, message []byte, key string) {
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(message))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		t.Fatalf("admitted %q: %v", message, err)
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") != "" {
			return
		}
	}
	slices.Sort(names)
	var text strings.Builder
	for _, name := range names {
		switch v := members[name].(type) {
		case string:
			if name != "check_sum" {
				text.WriteString(name + v)
			}
		case bool:
			text.WriteString(name + map[bool]string{true: "True", false: "False"}[v])
		case json.Number:
			if strings.ContainsAny(v.String(), ".eE") || v == "-0" {
				return
			}
			text.WriteString(name + v.String())
		default:
			return
		}
	}
	if sum := hash(text.String() + key); members["check_sum"] != sum {
		t.Errorf("admitted %q, whose checksum is %s", message, sum)
	}
}
