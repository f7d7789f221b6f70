package pickle_test

import (
	"fmt"

	"github.com/mallee-io/mallee/wire/pickle"
)

func Example() {
	b, err := pickle.Append(nil, pickle.Dict{{Key: "name", Value: "Ann"}, {Key: "level", Value: int64(7)}})
	if err != nil {
		panic(err)
	}
	v, err := pickle.Parse(b)
	if err != nil {
		panic(err)
	}
	level, _ := v.(pickle.Dict).Get("level")
	fmt.Println(level)

	_, err = pickle.Parse([]byte("cos\nsystem\n(X\x02\x00\x00\x00idtR."))
	fmt.Println(err)
	// Output:
	// 7
	// pickle, byte 0 of 22: opcode 0x63 imports a Python class or function: send plain data
}
