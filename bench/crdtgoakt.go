package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
)

// goAktValues is GoAkt v4 with its replicated data, in processes of a program of
// their own (goaktcrdt).
type goAktValues struct{ started }

var (
	_ replicating = goAktValues{}
	_ preparer    = goAktValues{}
)

func (goAktValues) Prepare(ctx context.Context) error {
	program, err := goAktProgram()
	if err != nil {
		return err
	}
	_, err = goIn(ctx, "goaktcrdt", "build", "-o", program)
	return err
}

func goAktProgram() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "mallee-bench", "goaktcrdt"), err
}

func (goAktValues) replicas(_ context.Context, n int) (*replicaCluster, error) {
	program, err := goAktProgram()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(3 * n)
	if err != nil {
		return nil, err
	}
	c := &replicaCluster{}
	for i := range n {
		if err := c.add(startProgram(program, append([]string{strconv.Itoa(i)}, ports...)...)); err != nil {
			return nil, err
		}
	}
	return c, nil
}
