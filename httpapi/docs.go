package httpapi

import (
	"net/http"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// docs is Swagger UI with all its files in this binary. The policy lets the
// page load nothing from other hosts.
func docs(title string) http.Handler {
	page := v5emb.NewWithConfig(swgui.Config{
		Title: title, SwaggerJSON: "../openapi.json", BasePath: "/docs/",
		SettingsUI: map[string]string{"validatorUrl": "null", "tryItOutEnabled": "true"},
	})(title, "../openapi.json", "/docs/")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'")
		page.ServeHTTP(w, r)
	})
}
