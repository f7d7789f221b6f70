package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestConfigPrintsOrigins(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mallee.yaml")
	if err := os.WriteFile(file, []byte("cluster: shop\nstore: postgres://me:sesame@db/shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MALLEE_CONFIG", file)
	t.Setenv("MALLEE_PD", "pd1:2379")
	code, stdout, stderr := run(t, "config", "--log-level", "warn")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, line := range []string{
		`cluster +shop +.*mallee\.yaml:1`, `store +postgres://me:xxxxx@db/shop +.*:2`, `pd +pd1:2379 +MALLEE_PD`, `log\.level +warn +--log-level`, `call_timeout +5s +default`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(stdout) {
			t.Errorf("no line %s in\n%s", line, stdout)
		}
	}

	code, stdout, stderr = run(t, "config", "--json")
	var printed struct {
		File     string
		Settings []struct{ Name, Value, From string }
	}
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil || code != 0 || printed.File != file {
		t.Fatalf("exit %d, %v: %s%s", code, err, stdout, stderr)
	}
	if strings.Contains(stdout, "sesame") {
		t.Errorf("a password is shown: %s", stdout)
	}
}

func TestConfigRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, "config", "--call-timeout", "5")
	if want := "--call-timeout: \"5\" is not a duration"; code != 2 || !strings.Contains(stderr, want) {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
