package koala

// RequestAccountLogin goes from gateway to host. Its body is the client's first
// packet.
type RequestAccountLogin struct {
	OpenID    string
	ServerID  int64 // as the client sent it: a number of the game's, not of the cluster's
	SessionID int64
}

// ResponseAccountLogin goes from host to gateway, and says which actor the
// session belongs to. It has no body.
type ResponseAccountLogin struct {
	SessionID int64
	ActorType string // the interface
	ActorID   string
}

// TypeName implements Message.
func (*RequestAccountLogin) TypeName() string { return "RequestAccountLogin" }

// TypeName implements Message.
func (*ResponseAccountLogin) TypeName() string { return "ResponseAccountLogin" }

func (m *RequestAccountLogin) fields(c coder) {
	c.text("open_id", &m.OpenID)
	c.number("server_id", &m.ServerID)
	c.number("session_id", &m.SessionID)
}

func (m *ResponseAccountLogin) fields(c coder) {
	c.number("session_id", &m.SessionID)
	c.text("actor_type", &m.ActorType)
	c.id("actor_id", &m.ActorID, nil)
}
