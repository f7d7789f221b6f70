package cli

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
)

// cloudstateEnviron adds to an environment what the variables of Cloudstate's
// proxy, and its properties of the JVM, mean as settings of ours: its operator
// can inject this program unchanged. Settings that are there are stronger.
func cloudstateEnviron(environ, properties []string) ([]string, error) {
	t := translation{given: make(map[string]string)}
	for _, variable := range environ {
		name, text, _ := strings.Cut(variable, "=")
		t.given[name] = text
	}
	t.address("MALLEE_SIDECAR_FUNCTION", "127.0.0.1", "USER_FUNCTION_HOST", "8080", "USER_FUNCTION_PORT")
	t.address("MALLEE_SIDECAR_HTTP", "0.0.0.0", "", "9000", "HTTP_PORT")
	t.address("MALLEE_SIDECAR_MANAGEMENT", "0.0.0.0", "", "8558", "MANAGEMENT_PORT")
	t.address("MALLEE_SIDECAR_METRICS", "0.0.0.0", "METRICS_HOST", "9090", "METRICS_PORT")
	if t.given["MALLEE_PD"] != "" && t.given["REMOTING_PORT"] != "" {
		t.address("MALLEE_LISTEN", "0.0.0.0", "", "", "REMOTING_PORT")
		if host, err := os.Hostname(); err == nil {
			t.set("MALLEE_ADVERTISE", host) // a pod's own name
		}
	}
	if err := t.store(properties); err != nil {
		return nil, &usageError{err}
	}
	return append(environ, t.added...), nil
}

type translation struct {
	given map[string]string
	added []string
}

// set sets a setting that nobody has set.
func (t *translation) set(name, text string) {
	if t.given[name] == "" {
		t.given[name] = text
		t.added = append(t.added, name+"="+text)
	}
}

// address makes one of a host and a port where one of their variables is set.
func (t *translation) address(name, host, hostVariable, port, portVariable string) {
	h, p := t.given[hostVariable], t.given[portVariable]
	if h == "" && p == "" {
		return
	}
	if h != "" {
		host = h
	}
	if p != "" {
		port = p
	}
	t.set(name, net.JoinHostPort(host, port))
}

// store chooses the store as Cloudstate's images do, each of which has one.
func (t *translation) store(properties []string) error {
	for _, property := range properties {
		key, value, _ := strings.Cut(property, "=")
		if key != "config.resource" {
			continue // all others are about the JVM
		}
		switch value {
		case "in-memory.conf", "dev-mode.conf", "no-store.conf":
			t.set("MALLEE_STORE", "memory:")
		default:
			return fmt.Errorf("-Dconfig.resource=%s names no store: in-memory.conf, dev-mode.conf and no-store.conf do; set --store instead", value)
		}
	}
	for _, other := range []string{"CASSANDRA_CONTACT_POINTS", "SPANNER_INSTANCE"} {
		if t.given[other] != "" && t.given["MALLEE_STORE"] == "" {
			return fmt.Errorf("%s is set, but there is no such store here: set --store or MALLEE_STORE to one of those that --help lists", other)
		}
	}
	if t.given["POSTGRES_SERVICE"] == "" {
		return nil
	}
	or := func(name, usual string) string {
		if v := t.given[name]; v != "" {
			return v
		}
		return usual
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(or("POSTGRES_USERNAME", "cloudstate"), or("POSTGRES_PASSWORD", "cloudstate")),
		Host: net.JoinHostPort(t.given["POSTGRES_SERVICE"], or("POSTGRES_PORT", "5432")), Path: "/" + or("POSTGRES_DATABASE", "cloudstate"),
	}
	parameters := url.Values{}
	for name, parameter := range map[string]string{
		"POSTGRES_SSL_MODE": "sslmode", "POSTGRES_SSL_ROOT_CERT": "sslrootcert", "POSTGRES_SSL_CERT": "sslcert", "POSTGRES_SSL_KEY": "sslkey", "POSTGRES_SSL_PASSWORD": "sslpassword",
	} {
		if v := t.given[name]; v != "" {
			parameters.Set(parameter, v)
		}
	}
	u.RawQuery = parameters.Encode()
	t.set("MALLEE_STORE", u.String())
	return nil
}
