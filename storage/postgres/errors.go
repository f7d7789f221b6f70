package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/mallee-io/mallee/storage"
)

// SQLSTATE codes of the server and, of two letters, their classes.
const (
	connectionTrouble = "08"
	dataException     = "22"
	wrongCredentials  = "28"
	noResources       = "53"
	limitExceeded     = "54"
	operator          = "57" // has ended the connection or the server

	uniqueViolation    = "23505"
	readOnly           = "25006" // a standby, or a server that is being replaced
	idleTransaction    = "25P03"
	noSuchDatabase     = "3D000"
	serialization      = "40001"
	completionUnknown  = "40003"
	deadlock           = "40P01"
	noPermission       = "42501"
	undefinedTable     = "42P01"
	duplicateTable     = "42P07"
	diskFull           = "53100"
	tooManyConnections = "53300"
	lockNotAvailable   = "55P03"
	queryCancelled     = "57014"
	adminShutdown      = "57P01"
	crashShutdown      = "57P02"
	cannotConnectNow   = "57P03"
	idleSession        = "57P05"
)

// code is the SQLSTATE of an error, "" if the server did not send it.
func code(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

func class(err error) string { return code(err)[:min(2, len(code(err)))] }

// lost is an error of the connection and not of what was asked.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

func isLost(err error) bool {
	_, ok := errors.AsType[lost](err)
	return ok
}

// transient reports whether the same may succeed soon, on another connection
// or in another transaction.
func transient(err error) bool {
	switch code(err) {
	case "":
		return isLost(err)
	case serialization, deadlock, readOnly, idleTransaction, tooManyConnections, adminShutdown, crashShutdown, cannotConnectNow, idleSession:
		return true
	}
	return class(err) == connectionTrouble
}

// disturbed reports whether a transaction failed because of others.
func disturbed(err error) bool { return code(err) == serialization || code(err) == deadlock }

// rolledBack reports whether the server says of a transaction that it did
// nothing. What it says as it shuts down is no such answer: a commit may have
// been on its way.
func rolledBack(err error) bool {
	switch code(err) {
	case queryCancelled:
		return true
	case "", completionUnknown:
		return false
	}
	return class(err) != connectionTrouble && class(err) != operator
}

func unavailable(err error) bool {
	switch code(err) {
	case noSuchDatabase, completionUnknown, lockNotAvailable, queryCancelled:
		return true
	}
	return transient(err) || class(err) == wrongCredentials || class(err) == noResources
}

// explain makes an error of one line that names the database. Of what the
// driver says about connections only the text is kept: the rest knows the
// password.
func explain(where string, err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case err == nil:
		return nil
	case !ok && isLost(err):
		return fmt.Errorf("%w: %s: %s", storage.ErrUnavailable, where, oneLine(err))
	case !ok:
		return fmt.Errorf("%s: %w", where, err)
	case pg.Code == diskFull:
		return fmt.Errorf("%w: %s: %w", storage.ErrFull, where, pg)
	case class(err) == limitExceeded:
		return fmt.Errorf("%w: %s: %w", storage.ErrTooLarge, where, pg)
	case class(err) == wrongCredentials || pg.Code == noSuchDatabase:
		return fmt.Errorf("%w: %s: %w; check user, password and database in the URL", storage.ErrUnavailable, where, pg)
	case pg.Code == noPermission:
		return fmt.Errorf("%s: %w; grant it to the user in the URL", where, pg)
	case unavailable(err):
		return fmt.Errorf("%w: %s: %w", storage.ErrUnavailable, where, pg)
	}
	return fmt.Errorf("%s: %w", where, pg)
}

// oneLine is the text of an error, without the repetitions that come of trying
// several addresses.
func oneLine(err error) string {
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		err = connect.Unwrap()
	}
	var said []string
	for text := range strings.Lines(err.Error()) {
		if text = strings.TrimSpace(text); text != "" && !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	return strings.Join(said, "; ")
}
