package mongodb

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// deployment is what the server can do.
type deployment struct {
	transactions bool
	nestedArrays bool // an array may be an element of an array
}

// inspect asks the server what it is.
func (s *store) inspect(ctx context.Context) (deployment, error) {
	var h hello
	var b buildInfo
	admin := s.client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h); err != nil {
		return deployment{}, err
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&b); err != nil {
		return deployment{}, err
	}
	return classify(h, b)
}

type hello struct {
	SetName string `bson:"setName"`
	Msg     string `bson:"msg"`
}

type buildInfo struct {
	FerretDB string `bson:"ferretdbVersion"`
}

// classify decides how to write. FerretDB can say that it is a replica set
// and then passes over the marks of a transaction without doing one.
func classify(h hello, b buildInfo) (deployment, error) {
	if strings.HasPrefix(b.FerretDB, "v0.") || strings.HasPrefix(b.FerretDB, "v1.") {
		return deployment{}, fmt.Errorf("this is FerretDB %s, which reads and then writes when it should update at once, so that two writers could harm a row; use MongoDB or FerretDB 2", b.FerretDB)
	}
	if b.FerretDB != "" {
		return deployment{}, nil
	}
	return deployment{transactions: h.SetName != "" || h.Msg == "isdbgrid", nestedArrays: true}, nil
}

// concerns make a write wait until it is in the journals of the majority, and
// hide writes that could be rolled back. What a server without replicas has is
// never rolled back.
func (d deployment) concerns() *options.DatabaseOptionsBuilder {
	journaled := true
	o := options.Database().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled})
	if d.transactions {
		o.SetReadConcern(readconcern.Majority())
	}
	return o
}
