package command

import (
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Interface is what an actor type has to serve so that commands reach it from
// other nodes.
func Interface(s *spec.Service) mallee.Interface {
	i := mallee.Interface{Name: s.Name}
	for _, m := range s.Methods {
		i.Methods = append(i.Methods, mallee.Method{Name: m.Name, New: func() mallee.Call { return &Command{On: m} }})
	}
	return i
}

// Answer runs a call of a service as a command. That of generated Go code of
// the same process, which comes as it is, goes through its encoding.
func Answer(call mallee.Call, s *spec.Service, run func(*Command) error) error {
	if c, ok := call.(*Command); ok {
		return run(c)
	}
	m := s.Method(call.Method())
	if m == nil {
		return mallee.ErrNotFound.Errorf("service %s has no method %s", s.Name, call.Method()).BeforeRun()
	}
	c := &Command{On: m}
	args, err := call.AppendArgs(nil)
	if err == nil {
		err = c.DecodeArgs(args)
	}
	if err != nil {
		return mallee.ErrInvalid.Errorf("arguments of %s.%s: %v", s.Name, m.Name, err).BeforeRun()
	}
	if err := run(c); err != nil {
		return err
	}
	results, err := c.AppendResults(nil)
	if err == nil {
		err = call.DecodeResults(results)
	}
	if err != nil {
		return fmt.Errorf("results of %s.%s: %w", s.Name, m.Name, err)
	}
	return nil
}
