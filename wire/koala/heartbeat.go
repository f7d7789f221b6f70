package koala

// RequestHeartBeat asks for a sign of life, in any direction. It has no body.
type RequestHeartBeat struct {
	MilliSeconds int64 // the sender's Unix time
}

// ResponseHeartBeat answers a RequestHeartBeat at once, on the same connection.
// It has no body.
type ResponseHeartBeat struct {
	MilliSeconds int64 // as it was in the request
}

// TypeName implements Message.
func (*RequestHeartBeat) TypeName() string { return "RequestHeartBeat" }

// TypeName implements Message.
func (*ResponseHeartBeat) TypeName() string { return "ResponseHeartBeat" }

func (m *RequestHeartBeat) fields(c coder)  { c.number("milli_seconds", &m.MilliSeconds) }
func (m *ResponseHeartBeat) fields(c coder) { c.number("milli_seconds", &m.MilliSeconds) }
