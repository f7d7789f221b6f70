package broker_test

import (
	"testing"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/broker/brokertest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	b := broker.Memory()
	brokertest.Run(t, func(*testing.T) broker.Broker { return b })
}
