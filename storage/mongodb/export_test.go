package mongodb

// The pure parts, for tests from outside.
var (
	ToBSON         = toBSON
	FromBSON       = fromBSON
	PairID         = pairID
	AfterPairs     = afterPairs
	After          = after
	Bounds         = bounds
	CollectionName = collectionName
	PathOf         = pathOf
)

// Classify is classify of what a server says in hello and buildInfo.
func Classify(setName, msg, ferretDB1 string, ferretDB2 []byte) (transactions bool, err error) {
	return classify(hello{setName, msg}, buildInfo{ferretDB1, ferretDB2})
}
