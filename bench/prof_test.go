package main

import (
	"os"
	"testing"
	"time"
)

func TestProf(t *testing.T) {
	for _, b := range storageBenches() {
		if b.name == os.Getenv("B") {
			s, err := b.measure(t.Context(), &malleeStore{}, 4*time.Second)
			t.Log(b.name, s, err)
		}
	}
}
