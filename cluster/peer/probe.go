package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/cloudflare/circl/sign/ed25519"
)

// refusedWithin is how long Probe waits for a no. In TLS 1.3 the server judges the
// client after the client is through with the handshake.
const refusedWithin = 500 * time.Millisecond

// Probe tries to reach a member's port as the owner of a node key, and says what
// stands in the way: no connection, another node there, or a port that does not take
// this key. It is for whoever examines a machine, beside a node that runs.
func Probe(ctx context.Context, cluster [16]byte, self string, key ed25519.PrivateKey, to Member) error {
	own, err := certificate(self, key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, HandshakeTimeout)
	defer cancel()
	raw, err := dialTCP(ctx, to.Address)
	if err != nil {
		return err
	}
	p := &Port{cluster: cluster, certificate: own}
	conn := tls.Client(raw, p.clientTLS(to, protocolCalls))
	defer func() { _ = conn.Close() }() // nothing is sent
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(refusedWithin)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err == nil:
		return errors.New("it speaks first, which no node does")
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("it does not let this node in: %w", err)
}
