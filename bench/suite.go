package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A suite is a named list of benches, and who takes part in them.
type suite struct {
	name     string
	benches  []bench
	entrants []entrant
}

// A bench is one number that each entrant of the suite is measured for.
type bench struct {
	name string // of the row
	unit string

	// admits says whether a contestant can do what is measured; nil admits all.
	admits func(contestant) bool

	// measure warms up a started contestant and measures it for about d.
	measure func(ctx context.Context, c contestant, d time.Duration) (sample, error)
}

func suites() []suite {
	return []suite{
		{name: "local", benches: localBenches(), entrants: localEntrants()},
		{name: "remote", benches: remoteBenches(), entrants: remoteEntrants()},
		{name: "storage", benches: storageBenches(), entrants: storageEntrants()},
		{name: "websocket", benches: websocketBenches(), entrants: websocketEntrants()},
		{name: "gateway", benches: gatewayBenches(), entrants: gatewayEntrants()},
		{name: "sidecar", benches: sidecarBenches(), entrants: sidecarEntrants()},
		{name: "crdt", benches: crdtBenches(), entrants: crdtEntrants()},
	}
}

func suiteNames(all []suite) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.name
	}
	return strings.Join(names, ", ")
}

func findSuite(all []suite, name string) (suite, error) {
	for _, s := range all {
		if s.name == name {
			return s, nil
		}
	}
	return suite{}, fmt.Errorf("no suite %q; there is: %s", name, suiteNames(all))
}

// find returns the bench and the entrant that "bench/contestant" names.
func (s suite) find(pair string) (bench, entrant, error) {
	benchName, entrantName, _ := strings.Cut(pair, "/")
	for _, b := range s.benches {
		for _, e := range s.entrants {
			if b.name == benchName && e.name == entrantName {
				return b, e, nil
			}
		}
	}
	return bench{}, entrant{}, fmt.Errorf("suite %s has no bench/contestant %q", s.name, pair)
}
