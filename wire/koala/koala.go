// Package koala speaks with unmodified hosts and gateways of Koala: hosts are
// written in Python, gateways in C#. A frame (package wire) carries a message,
// its meta, which is the length of the message's type name in one byte, the
// name, and a JSON object; and a body, which is opaque for all messages but
// RPCRequest and RPCResponse.
//
// What is read may miss fields, have others, and spell an actor's id as a
// string or an integer; what is written is what the original writes, byte for
// byte. Append is for hosts, AppendToGateway for gateways, and AppendAsGateway
// for a gateway that writes to hosts as the original gateway does.
//
// All functions are pure and safe for concurrent use. Messages are not: who
// shares one must not change it.
package koala

// Message is one of the pointers to the structs of this package.
type Message interface {
	// TypeName is what the message is called in a meta.
	TypeName() string
	// fields visits the fields in the order in which a host writes them.
	fields(c coder)
}

// ordered is a message whose fields a gateway writes in an order of its own.
type ordered interface {
	gatewayFields(c coder)
}

// coder reads or writes fields. What is declared as text is read from an
// integer too where it is an id; integer, unless nil, says which of both it is.
type coder interface {
	text(name string, v *string)
	number(name string, v *int64)
	numbers(name string, v *[]int64)
	id(name string, v *string, integer *bool)
}

// named is an empty message of a type, or nil where there is no such type.
func named(name string) Message {
	switch name {
	case "RpcRequest":
		return new(RPCRequest)
	case "RpcResponse":
		return new(RPCResponse)
	case "RequestHeartBeat":
		return new(RequestHeartBeat)
	case "ResponseHeartBeat":
		return new(ResponseHeartBeat)
	case "RequestAccountLogin":
		return new(RequestAccountLogin)
	case "ResponseAccountLogin":
		return new(ResponseAccountLogin)
	case "NotifyNewActorSession":
		return new(NotifyNewActorSession)
	case "NotifyActorSessionAborted":
		return new(NotifyActorSessionAborted)
	case "NotifyNewActorMessage":
		return new(NotifyNewActorMessage)
	case "RequestSendMessageToSession":
		return new(RequestSendMessageToSession)
	case "RequestCloseSession":
		return new(RequestCloseSession)
	}
	return nil
}
