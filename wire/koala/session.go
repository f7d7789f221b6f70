package koala

// NotifyNewActorSession goes from gateway to host: a client has become a session
// of an actor. Its body is the client's first packet after an account login, and
// empty where the client named its actor itself.
type NotifyNewActorSession struct {
	OpenID string
	// ServerID is the number that the client sent. Some gateways send the server
	// id of the actor's host instead, so hosts must not rely on it.
	ServerID  int64
	ActorType string
	ActorID   string
	SessionID int64
}

// NotifyActorSessionAborted goes from gateway to host: the client has gone. It
// has no body.
type NotifyActorSessionAborted struct {
	SessionID int64
	ActorType string
	ActorID   string
}

// NotifyNewActorMessage goes from gateway to host. Its body is what the client
// sent.
type NotifyNewActorMessage struct {
	SessionID int64
	ActorType string
	ActorID   string
}

// RequestSendMessageToSession goes from host to gateway. Its body is for the
// clients of the sessions that Targets names.
type RequestSendMessageToSession struct {
	SessionIDs []int64
	SessionID  int64
}

// RequestCloseSession goes from host to gateway. It has no body.
type RequestCloseSession struct {
	SessionID int64
	ActorType string
}

// Targets are the sessions to send to: SessionID alone, unless it is 0.
func (m *RequestSendMessageToSession) Targets() []int64 {
	if m.SessionID != 0 {
		return []int64{m.SessionID}
	}
	return m.SessionIDs
}

// TypeName implements Message.
func (*NotifyNewActorSession) TypeName() string { return "NotifyNewActorSession" }

// TypeName implements Message.
func (*NotifyActorSessionAborted) TypeName() string { return "NotifyActorSessionAborted" }

// TypeName implements Message.
func (*NotifyNewActorMessage) TypeName() string { return "NotifyNewActorMessage" }

// TypeName implements Message.
func (*RequestSendMessageToSession) TypeName() string { return "RequestSendMessageToSession" }

// TypeName implements Message.
func (*RequestCloseSession) TypeName() string { return "RequestCloseSession" }

func (m *NotifyNewActorSession) fields(c coder) {
	c.text("open_id", &m.OpenID)
	c.number("server_id", &m.ServerID)
	c.text("actor_type", &m.ActorType)
	c.id("actor_id", &m.ActorID, nil)
	c.number("session_id", &m.SessionID)
}

func (m *NotifyNewActorSession) gatewayFields(c coder) {
	c.text("actor_type", &m.ActorType)
	c.id("actor_id", &m.ActorID, nil)
	c.number("session_id", &m.SessionID)
	c.text("open_id", &m.OpenID)
	c.number("server_id", &m.ServerID)
}

func (m *NotifyActorSessionAborted) fields(c coder) {
	c.number("session_id", &m.SessionID)
	c.text("actor_type", &m.ActorType)
	c.id("actor_id", &m.ActorID, nil)
}

func (m *NotifyNewActorMessage) fields(c coder) {
	c.number("session_id", &m.SessionID)
	c.text("actor_type", &m.ActorType)
	c.id("actor_id", &m.ActorID, nil)
}

// gatewayFields has one more, which is reserved and always empty.
func (m *NotifyNewActorMessage) gatewayFields(c coder) {
	m.fields(c)
	c.text("trace", new(string))
}

func (m *RequestSendMessageToSession) fields(c coder) {
	c.numbers("session_ids", &m.SessionIDs)
	c.number("session_id", &m.SessionID)
}

func (m *RequestSendMessageToSession) gatewayFields(c coder) {
	c.number("session_id", &m.SessionID)
	c.numbers("session_ids", &m.SessionIDs)
}

func (m *RequestCloseSession) fields(c coder) {
	c.number("session_id", &m.SessionID)
	c.text("actor_type", &m.ActorType)
}
