package mongodb

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
)

// address is where the database is: what the driver needs to know, and what
// may be said of it in errors.
type address struct {
	options  *options.ClientOptions
	database string
	hosts    string // without user name and password
	secret   bool   // the URI may have a password
}

func parseAddress(uri string) (address, error) {
	at := address{database: "mallee", secret: strings.Contains(uri, "@")}
	at.options = options.Client().SetAppName("mallee").ApplyURI(uri)
	if err := at.options.Validate(); err != nil {
		return address{}, at.invalid(err)
	}
	at.hosts = strings.Join(at.options.Hosts, ",")
	// What a write needs is decided by whether it is safe, not by the URI. The
	// driver may not send a conditional write twice: the second one would not
	// find what the first one has replaced, and a write that was done would be
	// reported as refused.
	at.options.SetReadPreference(readpref.Primary()).SetRetryWrites(false)
	if path := pathOf(uri); path != "" {
		name, err := url.PathUnescape(path)
		if err != nil {
			return address{}, at.invalid(err)
		}
		at.database = name
	}
	return at, nil
}

// pathOf finds the path of a URI as the driver does, for which a password may
// hold a question mark.
func pathOf(uri string) string {
	_, rest, _ := strings.Cut(uri, "://")
	if _, behind, found := strings.Cut(rest, "@"); found {
		rest = behind
	}
	rest, _, _ = strings.Cut(rest, "?")
	_, path, _ := strings.Cut(rest, "/")
	return path
}

// invalid is the error for an address that cannot be read. The driver's text
// may hold parts of a password.
func (a *address) invalid(err error) error {
	if a.secret {
		err = errors.New("expected mongodb://user:password@host:port/database, with signs such as @ : / % in user and password written as %40 %3A %2F %25")
	}
	return fmt.Errorf("open store: the address of MongoDB is not valid: %w", err)
}
