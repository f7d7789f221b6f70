package config_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/config"
)

// write makes a file of settings.
func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mallee.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, s config.Sources) *config.Config {
	t.Helper()
	c, err := config.Load(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// origin is where a setting came from, without the directory of the test.
func origin(t *testing.T, c *config.Config, name string) string {
	t.Helper()
	for _, v := range c.Values {
		if v.Name == name {
			return strings.TrimPrefix(v.Origin, filepath.Dir(c.File)+string(filepath.Separator))
		}
	}
	t.Fatalf("no setting %s", name)
	return ""
}

func TestTheStrongerSourceWins(t *testing.T) {
	t.Parallel()
	const file, variable, flag = "name: file\n", "MALLEE_NAME=variable", "flag"
	tests := []struct {
		file, variable, flag bool
		want, origin         string
	}{
		{false, false, false, "", "default"},
		{true, false, false, "file", "mallee.yaml:1"},
		{false, true, false, "variable", "MALLEE_NAME"},
		{true, true, false, "variable", "MALLEE_NAME"},
		{false, false, true, "flag", "--name"},
		{true, false, true, "flag", "--name"},
		{false, true, true, "flag", "--name"},
		{true, true, true, "flag", "--name"},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.file, test.variable, test.flag), func(t *testing.T) {
			t.Parallel()
			content := ""
			if test.file {
				content = file
			}
			s := config.Sources{File: write(t, content)}
			if test.variable {
				s.Environ = []string{"PATH=/bin", variable}
			}
			if test.flag {
				s.Flags = map[string]string{"name": flag}
			}
			c := load(t, s)
			if c.Name != test.want {
				t.Errorf("name is %q, not %q", c.Name, test.want)
			}
			if got := origin(t, c, "name"); got != test.origin {
				t.Errorf("it came from %s, not from %s", got, test.origin)
			}
		})
	}
}

func TestSectionOfACommand(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{File: write(t, ""), Section: "pd_server", Flags: map[string]string{"pd_server.data_dir": "d", "log.level": "warn"}})
	if dir, level := origin(t, c, "pd_server.data_dir"), origin(t, c, "log.level"); dir != "--data-dir" || level != "--log-level" {
		t.Errorf("flags %s and %s", dir, level)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := load(t, config.Sources{File: write(t, "# nothing is set\n")})
	if c.Cluster != "" || c.CallTimeout != 5*time.Second || c.Log.Level != "info" || len(c.PD) != 0 {
		t.Errorf("%+v", c.Settings)
	}
}

func TestFileSpellings(t *testing.T) {
	t.Parallel()
	want := config.Settings{PD: []string{"pd1:2379", "pd2:2379"}, Labels: map[string]string{"zone": "no", "disk": "1.10"}}
	for _, content := range []string{
		"pd: [pd1:2379, 'pd2:2379']\nlabels: {zone: no, disk: 1.10}\n",
		"pd:\n- pd1:2379\n- pd2:2379\nlabels:\n  zone: no\n  disk: 1.10\n",
		"pd: pd1:2379, pd2:2379\nlabels: disk=1.10,zone=no\n",
		"---\n# with a comment\n\"pd\": pd1:2379,pd2:2379\nlabels: {\"disk\": \"1.10\", zone: no}\n...\n",
	} {
		c := load(t, config.Sources{File: write(t, content)})
		if !reflect.DeepEqual(c.PD, want.PD) || !reflect.DeepEqual(c.Labels, want.Labels) {
			t.Errorf("%q\ngives %q %q", content, c.PD, c.Labels)
		}
	}
}

func TestWrongFiles(t *testing.T) {
	t.Parallel()
	tests := []struct{ content, want string }{
		{"cluster: a\nlistn: b\n", "mallee.yaml:2:1: listn is not a setting; did you mean listen?"},
		{"log:\n  levl: info\n", "mallee.yaml:2:3: log.levl is not a setting; did you mean log.level?"},
		{"zzzzzz: 1\n", "mallee.yaml:1:1: zzzzzz is not a setting; mallee config lists them"},
		{"log.level: info\n", `mallee.yaml:1:1: "log.level" is not the name of a setting; sections are indented lines, not dots`},
		{"call_timeout: 5\n", `mallee.yaml:1:15: call_timeout: "5" is not a duration such as 5s or 200ms`},
		{"call_timeout: -5s\n", "mallee.yaml:1:15: call_timeout: -5s is not between 1ms and 24h"},
		{"\ncall_timeout: [1s]\n", "mallee.yaml:2:15: call_timeout: a list found where there must be duration, 1ms to 24h"},
		{"listen: localhost\n", `mallee.yaml:1:9: listen: "localhost" is not an address such as 127.0.0.1:7000`},
		{"pd:\n- pd1:2379\n- pd2\n", `mallee.yaml:2:1: pd: "pd2" is not an address such as 127.0.0.1:7000`},
		{"pd: {a: b}\n", "mallee.yaml:1:5: pd: a mapping found where there must be list of host:port"},
		{"types: [[A]]\n", "mallee.yaml:1:9: types: a list found where there must be a text"},
		{"types: ['A,B']\n", `mallee.yaml:1:9: types: "A,B" is empty or has one of the characters ","`},
		{"types: ['']\n", `mallee.yaml:1:9: types: "" is empty or has one of the characters ","`},
		{"labels: [a]\n", "mallee.yaml:1:9: labels: a list found where there must be labels, KEY=VALUE"},
		{"labels: {a=b: c}\n", `mallee.yaml:1:10: labels: "a=b" is empty or has one of the characters ",="`},
		{"log: info\n", `mallee.yaml:1:6: "info" found where NAME: VALUE lines must stand`},
		{"log: {level: loud}\n", `mallee.yaml:1:14: log.level: "loud" is none of debug, info, warn, error`},
		{"name:\n", "mallee.yaml:1:6: name has no value; give it one, or take the line out"},
		{"name: !!binary aGk=\n", "mallee.yaml:1:7: name: the tag !!binary is not read here"},
		{"name: a\nname: b\n", "mallee.yaml:2:1: name is set twice"},
		{"tls: {cert: a}\ntls: {key: a}\n", "mallee.yaml:2:1: tls is set twice"},
		{"name: &x a\ncluster: *x\n", "mallee.yaml:2:10: cluster: an alias, which is not read here, found where there must be text"},
		{"- name\n", "mallee.yaml:1:1: a list found where NAME: VALUE lines must stand"},
		{"name: a\n---\nname: b\n", "mallee.yaml: a second document begins in it; settings are one document"},
		{"name: [a\n", "mallee.yaml: line 1: did not find expected ',' or ']'"},
		{strings.Repeat("# a long comment\n", 70_000), "mallee.yaml: it has more than 1048576 bytes: it cannot be a file of settings"},
	}
	for _, test := range tests {
		path := write(t, test.content)
		_, err := config.Load(config.Sources{File: path})
		if err == nil {
			t.Errorf("%.40q is read", test.content)
		} else if got := strings.TrimPrefix(err.Error(), filepath.Dir(path)+string(filepath.Separator)); got != test.want {
			t.Errorf("%.40q\n got: %s\nwant: %s", test.content, got, test.want)
		}
	}
}

func TestWrongVariablesAndFlags(t *testing.T) {
	t.Parallel()
	file := write(t, "")
	tests := []struct {
		sources config.Sources
		want    string
	}{
		{config.Sources{File: file, Environ: []string{"MALLEE_LOG_LEVL=info"}}, "environment: MALLEE_LOG_LEVL is not a setting; did you mean MALLEE_LOG_LEVEL?"},
		{config.Sources{File: file, Environ: []string{"MALLEE_LEASE_TTL=5"}}, `MALLEE_LEASE_TTL: "5" is not a duration such as 5s or 200ms`},
		{config.Sources{File: file, Flags: map[string]string{"admin": "9000"}}, `--admin: "9000" is not an address such as 127.0.0.1:7000`},
		{config.Sources{File: file, Flags: map[string]string{"labels": "a=1,a=2"}}, `--labels: "a=1,a=2" is not a list of labels such as zone=a,disk=ssd, each once`},
	}
	for _, test := range tests {
		if _, err := config.Load(test.sources); err == nil || err.Error() != test.want {
			t.Errorf("\n got: %v\nwant: %s", err, test.want)
		}
	}
}

// Kubernetes gives every container variables for each service, and a service
// may well be called mallee.
func TestVariablesOfOthers(t *testing.T) {
	t.Parallel()
	load(t, config.Sources{File: write(t, ""), Environ: []string{
		"MALLEE_SERVICE_HOST=10.0.0.1", "MALLEE_PD_SERVICE_PORT_GRPC=2379", "MALLEE_PD_PORT=tcp://10.0.0.1:2379",
		"MALLEE_PD_PORT_2379_TCP_ADDR=10.0.0.1", "MALLEE_TEST_KILLS=3", "MALLEE_NAME=", "MALLEEBLE=yes",
	}})
}

func TestWhichFile(t *testing.T) {
	named, other := write(t, "name: named\n"), write(t, "name: other\n")
	t.Chdir(t.TempDir())
	if c := load(t, config.Sources{}); c.File != "" {
		t.Errorf("%s is read, where there is none", c.File)
	}
	if err := os.WriteFile(config.DefaultFile, []byte("name: default\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"MALLEE_CONFIG=" + other}
	for want, s := range map[string]config.Sources{
		"default": {},
		"other":   {Environ: environ},
		"named":   {Environ: environ, File: named},
	} {
		if c := load(t, s); c.Name != want {
			t.Errorf("%s is read, not %s", c.Name, want)
		}
	}
	if _, err := config.Load(config.Sources{File: "missing.yaml"}); err == nil {
		t.Error("a file that is named and missing is no error")
	}
}

// A value that is printed can be given again.
func TestValuesAreSpelledAsTheyAreRead(t *testing.T) {
	t.Parallel()
	flags := map[string]string{
		"pd": "a:1,b:2", "labels": "disk=ssd,zone=a", "types": "A,B", "call_timeout": "1m30s", "lease_ttl": "2s", "name": "x", "admin": "127.0.0.1:0", "log.level": "warn",
	}
	c := load(t, config.Sources{File: write(t, ""), Flags: flags})
	for _, v := range c.Values {
		if want, given := flags[v.Name]; given && v.String() != want {
			t.Errorf("%s is spelled %q, and was given as %q", v.Name, v, want)
		}
	}
}

func TestNamesAreUnambiguous(t *testing.T) {
	t.Parallel()
	seen := map[string]string{"MALLEE_CONFIG": "the file", "config": "the file", "json": "every command"}
	for _, s := range config.All() {
		for _, name := range []string{s.Env(), s.Flag("")} {
			if other, taken := seen[name]; taken {
				t.Errorf("%s stands for %s and for %s", name, other, s.Name)
			}
			seen[name] = s.Name
		}
	}
}

var update = flag.Bool("update", false, "write the table of docs/config.md anew")

const (
	document = "../../docs/config.md"
	begin    = "<!-- table -->\n"
	end      = "<!-- end of table -->\n"
)

func TestDocumentListsAllSettings(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	table.WriteString("| in the file | variable | flag | form | default | meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range config.All() {
		initially := "–"
		if s.Default != "" {
			initially = "`" + s.Default + "`"
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | `--%s` | %s | %s | %s |\n", s.Name, s.Env(), s.Flag(""), s.Kind(), initially, s.Doc)
	}
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), begin)
	committed, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no %s and %s", document, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	if *update {
		if err := os.WriteFile(document, []byte(before+begin+table.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if committed != table.String() {
		t.Error("the table is not that of the code: go test ./internal/config -run TestDocument -update")
	}
}

func FuzzFile(f *testing.F) {
	f.Add("cluster: a\npd: [a:1, b:2]\nlog: {level: warn}\nlabels:\n  zone: a\n")
	f.Add("a: &a [*a]\n")
	f.Add("? [a]\n: b\n")
	f.Add("<<: {name: a}\n")
	f.Fuzz(func(t *testing.T, content string) {
		first, err := config.Load(config.Sources{File: write(t, content)})
		if err != nil {
			return
		}
		// What was read can be given again as flags, and means the same.
		flags := make(map[string]string)
		for _, v := range first.Values {
			if v.Origin != "default" {
				flags[v.Name] = v.String()
			}
		}
		again := load(t, config.Sources{File: write(t, ""), Flags: flags})
		for i, v := range again.Values {
			if v.String() != first.Values[i].String() {
				t.Errorf("%s is %q, then %q", v.Name, first.Values[i], v)
			}
		}
	})
}

func ExampleLoad() {
	c, err := config.Load(config.Sources{
		Environ: []string{"MALLEE_PD=pd1:2379,pd2:2379", "MALLEE_LOG_LEVEL=debug"},
		Flags:   map[string]string{"log.level": "warn"}, // --log-level warn
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range c.Values {
		switch v.Name {
		case "pd", "log.level", "call_timeout":
			fmt.Printf("%s is %s (%s)\n", v.Name, v, v.Origin)
		}
	}
	// Output:
	// pd is pd1:2379,pd2:2379 (MALLEE_PD)
	// call_timeout is 5s (default)
	// log.level is warn (--log-level)
}
