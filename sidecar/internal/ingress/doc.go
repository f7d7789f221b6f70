// Package ingress serves the services of a user function to clients, on one
// cleartext port that speaks HTTP/1.1 and HTTP/2 (by prior knowledge): gRPC,
// gRPC-Web, Connect, and JSON over HTTP by the rules that the methods declare.
// It also answers server reflection, the gRPC health check, and the probe of
// Knative.
//
// Messages of gRPC, gRPC-Web and Connect with protobuf pass as bytes and are not
// decoded. Those of JSON are, with the descriptors that the user function sent.
//
// A request is for the first of these that it fits:
//
//  1. gRPC, gRPC-Web or Connect, by its content type, of a known method;
//  2. a route of HTTP/JSON, the one declared last first;
//  3. Knative's probe, by its header;
//  4. nothing: 404 without a body, and UNIMPLEMENTED for gRPC.
//
// Connect with application/json looks like the default route of HTTP/JSON, whose
// errors are texts: a request is Connect's when it has the header
// Connect-Protocol-Version, which every Connect client sends.
//
// The protocols are our own code, also where a library has them. Connect's
// vanguard was looked at: it has no text form of gRPC-Web, it tries routes by how
// specific they are and not by their order, it answers errors of HTTP/JSON with
// objects, it prints unset messages as null, and it puts itself between net/http
// and the handler of every call. What would be left to it are two envelopes.
package ingress
