package koalahttp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

func ExampleNew() {
	server := httptest.NewServer(koalahttp.New(koalahttp.Memory(), koalahttp.Config{}))
	defer server.Close()

	response, err := http.Post(server.URL+koalahttp.Prefix+"/id/new_server_id", "application/json", strings.NewReader("{}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	fmt.Println(response.Status, string(body), err)
	// Output: 200 OK {"id":1} <nil>
}
