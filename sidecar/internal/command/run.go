package command

import (
	"context"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
)

// Run calls the method of a Go actor in this process that is named like the rpc.
// (On other nodes generated code takes the command for a call of its own.)
func (c *Command) Run(ctx context.Context, actor any) error {
	method := reflect.ValueOf(actor).MethodByName(c.Method())
	if !method.IsValid() || !isRPC(method.Type()) {
		return mallee.ErrNotFound.Errorf("%T has no method %s that takes and returns one proto message, as %s has", actor, c.Method(), c.Interface())
	}
	in := reflect.New(method.Type().In(1).Elem())
	if err := proto.Unmarshal(c.Payload.Value, in.Interface().(proto.Message)); err != nil {
		return mallee.ErrInvalid.Errorf("message of %s.%s: %v", c.Interface(), c.Method(), err)
	}
	out := method.Call([]reflect.Value{reflect.ValueOf(ctx), in})
	if err, failed := out[1].Interface().(error); failed {
		return err
	}
	c.Reply = nil
	if out[0].IsNil() {
		return nil
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(out[0].Interface().(proto.Message))
	c.Reply = &Reply{Payload: Payload{TypeURL: c.On.OutputURL(), Value: value}}
	return err
}

// isRPC reports whether t is func(context.Context, *Message) (*Message, error).
func isRPC(t reflect.Type) bool {
	return t.NumIn() == 2 && t.In(0) == reflect.TypeFor[context.Context]() && isMessage(t.In(1)) &&
		t.NumOut() == 2 && isMessage(t.Out(0)) && t.Out(1) == reflect.TypeFor[error]()
}

func isMessage(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Implements(reflect.TypeFor[proto.Message]())
}
