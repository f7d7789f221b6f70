package carrier

import (
	"net/http"
	"net/url"
	"strings"
)

// allows reports whether the page that makes the request may connect. Browsers
// name the page's origin, which a page cannot change.
func (a *Acceptor) allows(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return true
	}
	origin, err := url.Parse(origins[0])
	if err != nil || len(origins) > 1 {
		return false
	}
	if origin.Host != "" && strings.EqualFold(origin.Host, r.Host) {
		return true
	}
	for _, allowed := range a.Origins {
		if matches(allowed, origin.Host) {
			return true
		}
	}
	return false
}

func matches(allowed, host string) bool {
	if parent, wild := strings.CutPrefix(allowed, "*."); wild {
		at := len(host) - len(parent) - 1
		return at > 0 && host[at] == '.' && strings.EqualFold(host[at+1:], parent)
	}
	return allowed == "*" || host != "" && strings.EqualFold(allowed, host)
}
