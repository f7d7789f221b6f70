package mongodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// Labels by which a server tells what a failure means.
const (
	transient     = "TransientTransactionError"      // nothing has been done, another attempt may succeed
	unknownCommit = "UnknownTransactionCommitResult" // the commit may be sent again
)

// inTransaction does what do does at once, or returns errAgain if another
// transaction was in its way. An error of the commit is never taken for a
// refusal: the transaction may have been done.
func (s *store) inTransaction(ctx context.Context, do func(ctx context.Context) error) error {
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil { // the caller does not wait
			s.calls.Go(func() { abandon(ctx, session) })
			return
		}
		abandon(ctx, session)
	}()
	o := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority())
	if err := session.StartTransaction(o); err != nil {
		return err
	}
	if err := do(mongo.NewSessionContext(ctx, session)); err != nil {
		if hasLabel(err, transient) && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", errAgain, err)
		}
		return err
	}
	for {
		err := session.CommitTransaction(ctx)
		if err == nil || !hasLabel(err, unknownCommit) {
			return err
		}
		if pause(ctx) != nil {
			return err
		}
	}
}

// abandon aborts a transaction that is open. Where that does not arrive, the
// server does it after a minute.
func abandon(ctx context.Context, session *mongo.Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	session.EndSession(ctx)
}

func hasLabel(err error, label string) bool {
	var labeled mongo.LabeledError
	return errors.As(err, &labeled) && labeled.HasErrorLabel(label)
}
