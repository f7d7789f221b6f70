package httpapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/httpapi"
)

// The docs page has to work on a machine without a network: everything that it
// names is there, and its policy lets it load nothing else.
func TestDocsPage(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{Title: "A <b> & c"})
	page := request(h, "GET", "/docs/", "")
	if page.Code != 200 || !strings.Contains(page.Body.String(), "<title>A &lt;b&gt; &amp; c</title>") {
		t.Fatalf("%d %s", page.Code, page.Body)
	}
	policy := page.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("policy %q", policy)
	}
	assets := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	if len(assets) != 5 {
		t.Errorf("the page names %d files:\n%s", len(assets), page.Body)
	}
	external := regexp.MustCompile(`(?i)<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?(?:https?:)?//|@import|url\(["']?(?:https?:)?//|importScripts|\.src\s*=\s*["'](?:https?:)?//`)
	if external.MatchString(page.Body.String()) || strings.Contains(page.Body.String(), "<script>") {
		t.Errorf("the page loads something from elsewhere, or has a script inside:\n%s", page.Body)
	}
	for _, asset := range assets {
		path := "/docs/" + asset[1]
		if asset[1] == "../openapi.json" {
			path = "/openapi.json"
		}
		plain := request(h, "GET", path, "")
		if plain.Code != 200 || plain.Header().Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", path, plain.Code, plain.Header())
		}
		if found := external.FindString(plain.Body.String()); found != "" {
			t.Errorf("%s loads something from elsewhere: %s", path, found)
		}
		zipped := request(h, "GET", path, "", "Accept-Encoding", "gzip, br")
		if strings.Contains(path, "swagger") && (zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() >= plain.Body.Len()) {
			t.Errorf("%s: %d bytes %v", path, zipped.Body.Len(), zipped.Header())
		}
		if same := request(h, "GET", path, "", "If-None-Match", plain.Header().Get("ETag")); same.Code != 304 {
			t.Errorf("%s: %d for what has not changed", path, same.Code)
		}
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	h := newHandler(t, httpapi.Config{})
	for _, path := range []string{"/", "/docs"} {
		if w := request(h, "GET", path, ""); w.Code != 302 || w.Header().Get("Location") != "docs/" {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}
