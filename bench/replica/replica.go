// Package replica makes a process with copies of replicated values do what a
// bench wants: changes at a steady rate, marks whose way to other processes is
// timed, and many small values. The bench tells it by net/rpc.
package replica

import (
	"context"
	"net"
	"net/rpc"
	"time"
)

// Values are one process's copies of values, by name. Methods are called at the
// same time.
type Values interface {
	Add(counter string) error                            // counts one more
	Put(set, element string, in bool) error              // puts the element in, or takes it out
	Mark(register string, at int64) error                // sets it
	Watch(register string, changed func(at int64)) error // tells what it is set to, until the process ends
}

// Lasting values can be read, and are kept.
type Lasting interface {
	Values
	Count(counter string) (int64, error)
	Has(set, element string) (bool, error)
	Settle(ctx context.Context) error // returns when all processes have what was changed here
}

// Serve does to values what clients say, until the process ends. Began is the time
// that it took until the values were here.
func Serve(v Values, began time.Duration) (addr string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Replica", &service{values: v, began: began}); err != nil {
		return "", err
	}
	go server.Accept(listener)
	return listener.Addr().String(), nil
}

// service has the methods that clients call.
type service struct {
	values Values
	began  time.Duration
	seen   sightings
}

func (s *service) Began(_ struct{}, began *time.Duration) error {
	*began = s.began
	return nil
}

// Client tells a process what to do.
type Client struct{ rpc *rpc.Client }

// Dial connects to what Serve serves.
func Dial(addr string) (Client, error) {
	c, err := rpc.Dial("tcp", addr)
	return Client{c}, err
}

// Began is the time that it took until the process had what others have.
func (c Client) Began(ctx context.Context) (began time.Duration, err error) {
	return began, c.call(ctx, "Began", struct{}{}, &began)
}

// Close ends the connection.
func (c Client) Close() error { return c.rpc.Close() }

func (c Client) call(ctx context.Context, method string, args, reply any) error {
	call := c.rpc.Go("Replica."+method, args, reply, nil)
	select {
	case <-call.Done:
		return call.Error
	case <-ctx.Done():
		return ctx.Err()
	}
}
