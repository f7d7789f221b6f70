package koala

// RPCRequest calls a method of an actor, from host to host. Its body is what
// AppendArgs writes.
type RPCRequest struct {
	ServiceName string // the interface, never the class that implements it
	MethodName  string
	ActorID     string
	// IntegerID says that the id is a JSON integer. To a Python host "1" and 1
	// are one actor, but different entries of its cache.
	IntegerID bool
	// ReentrantID is that of the outermost call of the chain: see ReentrantID.
	ReentrantID int64
	// RequestID comes back in the response: see RequestID.
	RequestID int64
	// ServerID is the server that the caller believes to own the actor; the
	// receiver answers PositionChanged when that is wrong. 0 skips the check, and
	// has to be 0 towards Python hosts: their check mostly gives no answer at all.
	ServerID int64
}

// RPCResponse answers an RPCRequest. Its body is what AppendResult writes, or
// FailureBody. Result reads both.
type RPCResponse struct {
	RequestID int64
	ErrorCode Code
	ErrorStr  string
}

// TypeName implements Message.
func (*RPCRequest) TypeName() string { return "RpcRequest" }

// TypeName implements Message.
func (*RPCResponse) TypeName() string { return "RpcResponse" }

func (m *RPCRequest) fields(c coder) {
	c.text("service_name", &m.ServiceName)
	c.text("method_name", &m.MethodName)
	c.id("actor_id", &m.ActorID, &m.IntegerID)
	c.number("reentrant_id", &m.ReentrantID)
	c.number("request_id", &m.RequestID)
	c.number("server_id", &m.ServerID)
}

func (m *RPCResponse) fields(c coder) {
	c.number("request_id", &m.RequestID)
	c.number("error_code", (*int64)(&m.ErrorCode))
	c.text("error_str", &m.ErrorStr)
}
