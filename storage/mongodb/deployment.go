package mongodb

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// inspect asks the server whether it has transactions.
func (s *store) inspect(ctx context.Context) (transactions bool, err error) {
	var h hello
	var b buildInfo
	admin := s.client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h); err != nil {
		return false, err
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&b); err != nil {
		return false, err
	}
	return classify(h, b)
}

type hello struct {
	SetName string `bson:"setName"`
	Msg     string `bson:"msg"`
}

type buildInfo struct {
	FerretDB1 string   `bson:"ferretdbVersion"`
	FerretDB2 bson.Raw `bson:"ferretdb"`
}

// classify decides how to write. FerretDB can be told to say that it is a
// replica set, and then passes over the marks of a transaction without doing
// one.
func classify(h hello, b buildInfo) (transactions bool, err error) {
	switch {
	case b.FerretDB2 != nil:
		return false, nil
	case b.FerretDB1 != "":
		return false, fmt.Errorf("it is FerretDB %s, whose updates first read and then write, so that two writers could harm a row; use MongoDB, or FerretDB 2", b.FerretDB1)
	default:
		return h.SetName != "" || h.Msg == "isdbgrid", nil
	}
}

// concerns make a write wait until it is in the journals of the majority, and
// hide writes that could be rolled back. What a server without replicas has is
// never rolled back.
func concerns(transactions bool) *options.DatabaseOptionsBuilder {
	journaled := true
	o := options.Database().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled})
	if transactions {
		o.SetReadConcern(readconcern.Majority())
	}
	return o
}
