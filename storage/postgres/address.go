package postgres

import (
	"fmt"
	"net"
	neturl "net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// parse reads the URL of a database. Its errors never show the password.
func parse(url string) (*pgxpool.Config, error) {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return nil, fmt.Errorf("open store: the address of a PostgreSQL database is postgres://user:password@host:port/database")
	}
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("open store: %s", parseProblem(url, err))
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	for name, value := range sessionSettings() {
		if _, ok := config.ConnConfig.RuntimeParams[name]; !ok {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	return config, nil
}

// parseProblem tells what is wrong with a URL without showing it: when it
// cannot be taken apart, any piece of it may be the password.
func parseProblem(url string, err error) string {
	if _, broken := neturl.Parse(url); broken != nil {
		return "the address is no URL; write special characters of the password as %XX"
	}
	if _, problem, ok := strings.Cut(err.Error(), "`: "); ok {
		return "the address cannot be used: " + problem
	}
	return "the address cannot be used"
}

// sessionSettings hold for each connection, unless the URL names others.
//
// Each statement here reads a few ranges of an index. The planner is kept from
// other ways, which look cheap while the tables are small: the plan of a
// prepared statement stays when they have grown. And as there is one good
// plan, none is made anew for each execution, which took longer than that.
func sessionSettings() map[string]string {
	return map[string]string{
		"application_name":  "mallee",
		"statement_timeout": milliseconds(statementTimeout),
		"lock_timeout":      milliseconds(lockTimeout),
		// A process that is stopped in a transaction keeps others from its
		// partitions so long.
		"idle_in_transaction_session_timeout": milliseconds(idleTimeout),

		"enable_seqscan":    "off",
		"enable_bitmapscan": "off",
		"enable_sort":       "off",
		"jit":               "off",
		"plan_cache_mode":   "force_generic_plan",
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// place names the database and its servers.
func place(c *pgx.ConnConfig) string {
	servers := []string{server(c.Host, c.Port)}
	for _, f := range c.Fallbacks {
		if s := server(f.Host, f.Port); !slices.Contains(servers, s) {
			servers = append(servers, s)
		}
	}
	return fmt.Sprintf("PostgreSQL database %q on %s", c.Database, strings.Join(servers, ", "))
}

func server(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
