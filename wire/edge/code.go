package edge

// Code says why a connection is closed. Its range says what a client should do:
//
//	1000–1999  codes of RFC 6455, section 7.4.1; for good, but for CodeGoingAway
//	4000–4099  come back and resume, after a pause with jitter
//	4100–4199  come back with a new login
//	4200–4299  do not come back without the user
type Code uint16

// Codes of closed connections.
const (
	CodeNormal    Code = 1000 // one side is done
	CodeGoingAway Code = 1001 // a browser's page was left
	CodeProtocol  Code = 1002 // a frame that makes no sense
	CodeText      Code = 1007 // text that is not UTF-8
	CodeTooLarge  Code = 1009 // a message larger than the gateway takes

	CodeDrain       Code = 4000 // the gateway stops; another one takes the session over
	CodeOverloaded  Code = 4001 // the gateway is short of memory
	CodeSlow        Code = 4002 // the client does not read fast enough
	CodeIdle        Code = 4003 // nothing was heard of the client
	CodeUnavailable Code = 4004 // the actor, or the gateway that has the session, cannot be reached
	CodeInternal    Code = 4005 // a mistake in the gateway

	CodeLoginInvalid  Code = 4100 // the login cannot be read
	CodeLoginRefused  Code = 4101 // wrong checksum, signature, password
	CodeLoginExpired  Code = 4102 // its time is outside of the window
	CodeLoginReplayed Code = 4103 // it has been used before
	CodeLoginLate     Code = 4104 // it has not come in time
	CodeResumeRefused Code = 4105 // the token cannot be read, and there was no login beside it

	CodeKicked      Code = 4200 // by an actor
	CodeReplaced    Code = 4201 // the user has a newer session
	CodeRateLimited Code = 4202 // more messages or bytes than allowed
	CodeNoActor     Code = 4203 // there is no such actor type, or it takes no sessions
	CodeRefused     Code = 4204 // the actor refused the session
)

// Action is what a client should do after its connection was closed.
type Action uint8

// Actions.
const (
	ActStop   Action = iota // tell the user
	ActResume               // come back with the token, after a pause
	ActLogin                // come back with a new login, after a pause
)

// Action is what the range of the code says. A connection that ended without a
// code is to be resumed.
func (c Code) Action() Action {
	switch {
	case c == 0, c == CodeGoingAway, c == 1005, c == 1006, c >= 1011 && c <= 1015, c >= 4000 && c < 4100:
		return ActResume
	case c >= 4100 && c < 4200:
		return ActLogin
	}
	return ActStop
}
