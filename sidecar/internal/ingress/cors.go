package ingress

import (
	"net/http"
	"slices"
)

// allowOrigin tells a browser that pages of a request's origin may call, if they
// may. It reports whether that was the whole request: a preflight. Cookies are
// never asked for, so any header of an answer may be shown.
func (h *Handler) allowOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	header := w.Header()
	header.Add("Vary", "Origin")
	allowed := slices.Contains(h.config.AllowedOrigins, "*") || slices.Contains(h.config.AllowedOrigins, origin)
	if allowed {
		header.Set("Access-Control-Allow-Origin", origin)
		header.Set("Access-Control-Expose-Headers", "*")
	}
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return false
	}
	if allowed {
		header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			header.Set("Access-Control-Allow-Headers", asked)
		}
		header.Set("Access-Control-Max-Age", "7200") // seconds; browsers take no more
	}
	w.WriteHeader(http.StatusNoContent)
	return true
}
