package replicated

// What the tests of the conversions need.
var (
	DeltaOf    = deltaOf
	ProtoOf    = protoOf
	OldDeltaOf = oldDeltaOf
	OldProtoOf = oldProtoOf
	InitialOf  = initialOf
	StateOf    = stateOf
	ElementOf  = elementOf
	AnyOf      = anyOf
)
