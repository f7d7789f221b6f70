package httpapi_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/httpapi/internal/market"
)

func Example() {
	var node mallee.Caller = &stalls{} // in a program, what node.Start returns
	api, err := httpapi.New(httpapi.Config{
		Caller: node,
		Types:  []mallee.Type{mallee.NewType(market.StallInterface(), nil)},
		Title:  "Market",
	})
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewServer(api)
	defer server.Close()

	for _, body := range []string{`{"item":"apple","n":2}`, `{"item":"apple","n":"two"}`} {
		resp, err := http.Post(server.URL+"/actors/Stall/harbour%2F7/Buy", "application/json", strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		answer, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		fmt.Printf("%s: %s", resp.Status, answer)
	}
	// Output:
	// 200 OK: {"left":8}
	// 400 Bad Request: {"type":"urn:mallee:error:invalid","title":"Bad Request","status":400,"detail":"n: expected integer, got string","code":"invalid","retry_safe":true,"actor":"Stall/harbour/7","errors":[{"path":"n","message":"expected integer, got string"}]}
}

// A handler of one's own calls references as any Go code does.
func Example_handlerOfYourOwn() {
	var node mallee.Caller = &stalls{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /buy/{stall}", func(w http.ResponseWriter, r *http.Request) {
		left, err := market.StallOf(node, r.PathValue("stall")).Buy(r.Context(), r.FormValue("item"), 1)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		_, _ = fmt.Fprintln(w, left, "left")
	})

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/buy/7?item=apple", nil))
	fmt.Print(w.Body)
	// Output: 9 left
}
