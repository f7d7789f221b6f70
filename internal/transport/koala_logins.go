package transport

import (
	"context"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// logins are those that hosts have been asked for, and have not answered.
type logins struct {
	mu      sync.Mutex
	waiting map[uint64]login  // by session
	session map[uint64]uint64 // by Message.Call
}

// login is a call of account.Accounts.
type login struct {
	host placement.NodeID
	call uint64
}

func (l *logins) init() {
	l.waiting, l.session = make(map[uint64]login), make(map[uint64]uint64)
}

// begin reports whether there is room for a login.
func (l *logins) begin(session uint64, who login, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= limit {
		return false
	}
	delete(l.session, l.waiting[session].call) // of an earlier try
	l.waiting[session], l.session[who.call] = who, session
	return true
}

// take ends the wait for a session's login.
func (l *logins) take(session uint64) (login, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	who, ok := l.waiting[session]
	delete(l.waiting, session)
	delete(l.session, who.call)
	return who, ok
}

// forget drops a call that is given up.
func (l *logins) forget(call uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if session, ok := l.session[call]; ok {
		delete(l.waiting, session)
		delete(l.session, call)
	}
}

// lose drops the calls of a host whose connection has ended: its node fails them.
func (l *logins) lose(host placement.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for session, who := range l.waiting {
		if who.host == host {
			delete(l.waiting, session)
			delete(l.session, who.call)
		}
	}
}

// Login asks the host, which need not have dialled this node: it answers on the
// connection that the question comes on.
func (a *standIn) Login(_ context.Context, l account.Login) (account.Admission, error) {
	none := account.Admission{}
	if l.Session == 0 {
		return none, mallee.ErrInvalid.Errorf("a login at host %s needs the session that it is for", a.host).BeforeRun()
	}
	c, err := a.reach()
	if err != nil {
		return none, err
	}
	if limit := a.life.config.Calls; !a.life.logins.begin(l.Session, login{a.host, a.m.Call}, limit) {
		return none, mallee.ErrOverloaded.Errorf("%d logins wait for hosts", limit).BeforeRun()
	}
	if err := c.notify(&koala.RequestAccountLogin{OpenID: l.User, ServerID: l.Server, SessionID: int64(l.Session)}, l.Packet); err != nil {
		a.life.logins.forget(a.m.Call)
		return none, err
	}
	return none, errAwaited
}

// admit answers a login as the host has.
func (l *koalaLife) admit(who login, to mallee.ID) error {
	if err := to.Validate(); err != nil {
		l.refuse(who, mallee.ErrInvalid.Errorf("host %s binds a session to no actor: %v", who.host, err))
		return nil
	}
	call := l.calls["Accounts.Login"]()
	if err := call.Run(l.ctx, answered{Actor: to}); err != nil {
		return err
	}
	return l.reply(who.host, who.call, call)
}

func (l *koalaLife) refuse(who login, why *mallee.Error) {
	l.handler.Receive(who.host, &Message{Kind: Reply, Call: who.call, Error: why})
}

// answered is an account that answers what a host has.
type answered account.Admission

// Login implements account.Accounts.
func (a answered) Login(context.Context, account.Login) (account.Admission, error) {
	return account.Admission(a), nil
}
