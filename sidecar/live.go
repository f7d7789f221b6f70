package sidecar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// askAgain is how long a user function that cannot be served is left alone.
const askAgain = 30 * time.Second

// live finds the user function, serves it, and looks again whenever it comes
// back: it may have changed. A user function is asked once for each connection.
func (s *Sidecar) live(ctx context.Context) {
	defer close(s.done)
	go s.reporting(ctx)
	s.config.Log.Info("waiting for the user function", "function", s.config.Function)
	var last *cloudstatepb.EntitySpec
	for {
		declared := s.discover(ctx)
		if declared == nil {
			return
		}
		s.note(func() { s.reached = true })
		s.config.Log.Info("the user function has answered", "function", s.config.Function)
		if !proto.Equal(declared, last) {
			s.retire()
			if err := s.serve(ctx, declared); err != nil {
				s.fail(err)
				return
			}
			last = declared
		}
		if !s.awaitReturn(ctx) {
			return
		}
	}
}

// awaitReturn returns true when the user function has to be asked again: it was
// lost, or what it has declared cannot be served, and some time has passed.
func (s *Sidecar) awaitReturn(ctx context.Context) bool {
	s.mu.Lock()
	served := s.serving != nil
	s.mu.Unlock()
	wait := ctx
	if !served && !s.config.Strict {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, askAgain)
		defer cancel()
	}
	s.awaitLoss(wait)
	if ctx.Err() != nil {
		return false
	}
	if wait.Err() == nil {
		s.note(func() { s.reached = false })
		s.config.Log.Warn("the user function is gone", "function", s.config.Function)
	}
	return true
}

// serve opens what serves clients. What the user function has done wrong it is
// told, and waits; the error is one that waiting does not mend.
func (s *Sidecar) serve(ctx context.Context, declared *cloudstatepb.EntitySpec) error {
	model, errs := spec.Load(declared, spec.Options{Strict: s.config.Strict, Broker: s.broker != nil})
	if len(errs) > 0 {
		for _, err := range errs {
			s.report(err.Error())
		}
		s.waits(mallee.ErrInvalid.Errorf("the user function cannot be served: %v", errors.Join(errs...)))
		return nil
	}
	for _, warning := range model.Warnings {
		s.config.Log.Warn("declared by the user function", "warning", warning)
	}
	var p pace
	for {
		opened, err := s.open(ctx, model)
		if err == nil {
			s.config.Listen = opened.listener.Addr().String() // also after it has to be opened anew
			s.note(func() { s.serving = opened })
			s.config.Log.Info("serving", "address", s.config.Listen, "function", s.config.Function, "library", model.Library, "services", len(model.Services))
			return nil
		}
		if !errors.Is(err, mallee.ErrUnavailable) {
			return err
		}
		s.waits(err)
		if !p.next(ctx) {
			return nil
		}
	}
}

// retire ends what served a user function that has changed.
func (s *Sidecar) retire() {
	was := s.take()
	if was == nil {
		return
	}
	s.waits(mallee.ErrUnavailable.Errorf("the user function at %s has come back with other services", s.config.Function))
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := was.close(ctx); err != nil {
		s.config.Log.Error("not ended in good order", "error", err)
	}
}

func (s *Sidecar) fail(err error) {
	s.config.Log.Error("the sidecar ends", "error", err)
	s.note(func() { s.fatal = fmt.Errorf("sidecar: %w", err) })
}
