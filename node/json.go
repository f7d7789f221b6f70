package node

import (
	"context"
	"encoding/json"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/jsonargs"
)

// InvokeJSON calls a method by its name, for tools that have no generated code:
// the node that hosts the actor knows its types. Arguments are a JSON array, or
// an object by their names; nothing means none. The results are an object by
// their names. Iface may be empty: then the actor type is searched for the
// method. It waits for a one-way method too.
func (n *Node) InvokeJSON(ctx context.Context, id mallee.ID, iface, method string, args []byte) (results []byte, err error) {
	if n.stopping.Load() {
		return nil, n.errStopping()
	}
	call := &jsonCall{iface: iface, method: method, args: args}
	if err := n.route(ctx, &activation.Request{ID: id, Call: call}); err != nil {
		return nil, err
	}
	return call.results, nil
}

// jsonCall is a call on the side of a caller that has only its JSON.
type jsonCall struct {
	iface, method string
	args, results []byte
}

var _ mallee.Call = (*jsonCall)(nil)

func (c *jsonCall) Interface() string       { return c.iface }
func (c *jsonCall) Method() string          { return c.method }
func (c *jsonCall) Flags() mallee.CallFlags { return 0 }

// Run is not for this side: see bind.
func (c *jsonCall) Run(context.Context, any) error {
	return mallee.ErrInvalid.Errorf("%s is not bound to a method", c.method)
}

func (c *jsonCall) Args() any          { return nil }
func (c *jsonCall) Results() any       { return nil }
func (c *jsonCall) CopyArgs() error    { return nil }
func (c *jsonCall) CopyResults() error { return nil }

func (c *jsonCall) AppendArgs(b []byte) ([]byte, error)    { return append(b, c.args...), nil }
func (c *jsonCall) DecodeArgs(b []byte) error              { c.args = b; return nil }
func (c *jsonCall) AppendResults(b []byte) ([]byte, error) { return append(b, c.results...), nil }
func (c *jsonCall) DecodeResults(b []byte) error           { c.results = b; return nil }

// invokeHere runs the call on an actor of this node.
func (c *jsonCall) invokeHere(ctx context.Context, table *activation.Table, q *activation.Request) error {
	method, err := table.Type().Method(c.iface, c.method)
	if err != nil {
		return err
	}
	bound := *q
	bound.Call = method.New()
	if err := jsonargs.Decode(c.args, bound.Call.Args()); err != nil {
		return err
	}
	if err := table.Invoke(ctx, &bound); err != nil {
		return err
	}
	if c.results, err = json.Marshal(bound.Call.Results()); err != nil {
		return mallee.ErrInvalid.Errorf("encode results of %s.%s: %v", q.ID, c.method, err)
	}
	return nil
}
