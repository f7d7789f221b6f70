package node

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/mallee-io/mallee"
)

// checkCertificates refuses certificates that others would refuse by the same
// clock: what they say of it in TLS 1.3 can be lost with the connection.
func checkCertificates(t *tls.Config, now time.Time) error {
	if t == nil {
		return nil
	}
	for _, c := range t.Certificates {
		leaf := c.Leaf
		if leaf == nil && len(c.Certificate) > 0 {
			var err error
			if leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
				return mallee.ErrInvalid.Errorf("certificate in TLS: %v", err)
			}
		}
		switch {
		case leaf == nil:
		case now.After(leaf.NotAfter):
			return mallee.ErrInvalid.Errorf("the certificate in TLS has expired at %s; renew it", leaf.NotAfter.Format(time.RFC3339))
		case now.Before(leaf.NotBefore):
			return mallee.ErrInvalid.Errorf("the certificate in TLS begins at %s only; see that the clock is right", leaf.NotBefore.Format(time.RFC3339))
		}
	}
	return nil
}
