package koala_test

import (
	"fmt"

	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

// A call, from the caller's bytes to the result that it gets.
func Example() {
	args, err := koala.AppendArgs(nil, pickle.Tuple{"hello"}, nil)
	if err != nil {
		panic(err)
	}
	call := &koala.RPCRequest{ServiceName: "IPlayer", MethodName: "echo", ActorID: "1", RequestID: 7, ReentrantID: koala.ReentrantID(12345)}
	request, err := koala.Append(nil, call, args)
	if err != nil {
		panic(err)
	}

	answer, body := serve(request)
	value, err := answer.Result(body)
	fmt.Println(answer.RequestID, value, err)

	call.MethodName = "shout"
	if request, err = koala.Append(nil, call, args); err != nil {
		panic(err)
	}
	answer, body = serve(request)
	_, err = answer.Result(body)
	fmt.Println(err)
	// Output:
	// 7 hello <nil>
	// the host answered 10005, method not found: shout
}

// serve is a host with one method.
func serve(frame []byte) (*koala.RPCResponse, []byte) {
	meta, body, _, _, err := wire.ParseFrame(frame)
	if err != nil {
		panic(err) // and close the connection
	}
	m, err := koala.Parse(meta)
	if err != nil {
		panic(err) // likewise
	}
	request := m.(*koala.RPCRequest)
	args, _, err := koala.ParseArgs(body)
	if err != nil {
		return koala.Failure(request.RequestID, koala.UnknownException, err.Error()), []byte(koala.FailureBody)
	}
	if request.MethodName != "echo" || len(args) != 1 {
		return koala.Failure(request.RequestID, koala.MethodNotFound, request.MethodName), []byte(koala.FailureBody)
	}
	result, err := koala.AppendResult(nil, args[0])
	if err != nil {
		return koala.Failure(request.RequestID, koala.UnknownException, err.Error()), []byte(koala.FailureBody)
	}
	return &koala.RPCResponse{RequestID: request.RequestID}, result
}
