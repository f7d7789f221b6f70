package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The release of Dapr that is measured, and its sums.
const (
	daprModule  = "github.com/dapr/dapr"
	daprVersion = "v1.16.0"
	daprSums    = daprModule + " " + daprVersion + " h1:la2WLZM8Myr2Pq3cyrFjHKWDSPYLzGZCs3p502TwBjI=\n" +
		daprModule + " " + daprVersion + "/go.mod h1:ln/mxvNOeqklaDmic4ppsxmnjl2D/oZGKaJy24IwaEY=\n"
)

// buildDapr returns the directory that has the programs daprd and placement. It
// builds them once, as Dapr's releases are, with the dependencies that Dapr's
// module names: in a module of its own in the user's cache.
func buildDapr(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "mallee-bench", "dapr-"+daprVersion)
	built := filepath.Join(dir, "built")
	if _, err := os.Stat(built); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := writeDaprModule(ctx, dir); err != nil {
		return "", fmt.Errorf("build Dapr: %w", err)
	}
	for _, program := range []string{"placement", "daprd"} {
		if _, err := goIn(ctx, dir, "build", "-tags", "stablecomponents", "-o", program, daprModule+"/cmd/"+program); err != nil {
			return "", fmt.Errorf("build Dapr: %w", err)
		}
	}
	return dir, os.WriteFile(built, nil, 0o600)
}

func writeDaprModule(ctx context.Context, dir string) error {
	out, err := goIn(ctx, dir, "mod", "download", "-json", daprModule+"@"+daprVersion)
	if err != nil {
		return err
	}
	var dapr struct{ Dir string }
	if err := json.Unmarshal(out, &dapr); err != nil {
		return err
	}
	mod, modErr := os.ReadFile(filepath.Join(dapr.Dir, "go.mod"))
	sum, sumErr := os.ReadFile(filepath.Join(dapr.Dir, "go.sum"))
	mod = bytes.Replace(mod, []byte("module "+daprModule), []byte("module bench.invalid/daprd\n\nrequire "+daprModule+" "+daprVersion), 1)
	return errors.Join(modErr, sumErr,
		os.WriteFile(filepath.Join(dir, "go.mod"), mod, 0o600),
		os.WriteFile(filepath.Join(dir, "go.sum"), append(sum, daprSums...), 0o600))
}

func goIn(ctx context.Context, dir string, args ...string) (stdout []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err = cmd.Output()
	if said := strings.TrimSpace(stderr.String()); err != nil && said != "" {
		err = fmt.Errorf("go %s: %w: %s", args[0], err, said)
	}
	return stdout, err
}
