package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestMain lets the test program be the other process of a contestant, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-serve" {
		if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// Every contestant answers from its other process.
func TestRemoteContestants(t *testing.T) {
	t.Parallel()
	for _, e := range remoteEntrants() {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			c := e.make()
			if err := c.Start(t.Context(), echoActors); err != nil {
				t.Fatal(err)
			}
			call := c.(caller).Caller(t.Context())
			for i := range echoActors {
				got, err := call(i, "12345678")
				if err := check("12345678", got, err); err != nil {
					t.Errorf("actor %d: %v", i, err)
				}
			}
			if err := c.Stop(context.Background()); err != nil {
				t.Error("stop:", err)
			}
		})
	}
}
