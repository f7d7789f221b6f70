package mallee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mallee-io/mallee/storage"
)

// State is one durable value of an actor. The runtime reads it before
// OnActivate; the actor changes Value and calls Save. A write that meets
// another version or a newer activation is refused and ends the activation,
// so a stale owner cannot harm the value. For use in the actor's turns.
type State[T any] struct {
	// Value is the zero T until something was saved.
	Value T

	self    *Self
	key     storage.Key
	version uint64
}

// NewState declares a state of the actor, in its constructor. Name is unique
// in the actor type and part of the storage key: do not change it once there
// is data.
func NewState[T any](self *Self, name string) *State[T] {
	id := self.ID()
	s := &State[T]{self: self, key: storage.Key{Table: "state." + id.Type, Key1: id.Key, Key2: name}}
	self.activation.OnLoad(s.load)
	return s
}

// Exists reports whether a value has been saved and not cleared.
func (s *State[T]) Exists() bool { return s.version != 0 }

// Save writes Value. When it returns nil the value is as durable as the store
// makes it.
func (s *State[T]) Save(ctx context.Context) error {
	value, err := json.Marshal(&s.Value)
	if err != nil {
		return fmt.Errorf("encode state %s of %s: %w", s.key.Key2, s.self.ID(), err)
	}
	return s.write(ctx, storage.Put(s.key, value, s.version))
}

// Clear deletes the saved value and makes Value the zero T.
func (s *State[T]) Clear(ctx context.Context) error {
	if s.version == 0 {
		s.Value = *new(T)
		return nil
	}
	if err := s.write(ctx, storage.Delete(s.key, s.version)); err != nil {
		return err
	}
	s.Value, s.version = *new(T), 0
	return nil
}

func (s *State[T]) write(ctx context.Context, op storage.Op) error {
	versions, err := s.self.write(ctx, "state", s.key.Key2, op)
	if err != nil {
		return err
	}
	s.version = versions[0]
	return nil
}

func (s *State[T]) load(ctx context.Context) error {
	row, err := s.self.activation.Store().Get(ctx, s.key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load state %s of %s: %w", s.key.Key2, s.self.ID(), err)
	}
	if err := json.Unmarshal(row.Value, &s.Value); err != nil {
		return fmt.Errorf("decode state %s of %s into %T: %w", s.key.Key2, s.self.ID(), s.Value, err)
	}
	s.version = row.Version
	return nil
}
