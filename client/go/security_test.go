package spikeserve_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	spikeserve "spikeserve.example/go"
	"spikeserve.example/go/internal/testserver"
)

// authority signs certificates for the tests.
type authority struct {
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{folder: t.TempDir()}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.cert, a.key = template, newKey(t)
	a.cert = a.sign(t, "ca", template, a.key)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return key
}

// issue writes a certificate and its key, and returns their paths.
func (a *authority) issue(t *testing.T, name string) (certPath, keyPath string) {
	t.Helper()
	key := newKey(t)
	a.sign(t, name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key)
	content, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	return a.path(name), a.write(t, name+"-key", "PRIVATE KEY", content)
}

func (a *authority) sign(t *testing.T, name string, template *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.Subject = pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	content, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	check(t, err)
	a.write(t, name, "CERTIFICATE", content)
	signed, err := x509.ParseCertificate(content)
	check(t, err)
	return signed
}

func (a *authority) path(name string) string { return filepath.Join(a.folder, name+".pem") }

func (a *authority) write(t *testing.T, name, kind string, content []byte) string {
	t.Helper()
	path := a.path(name)
	check(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
	return path
}

func tokenFile(t *testing.T, token string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	check(t, os.WriteFile(path, []byte(token+"\n"), 0o600))
	return path
}

func TestATokenIsSentWithEveryCall(t *testing.T) {
	server := start(t, "--auth-token-file", tokenFile(t, "use"), "--admin-token-file", tokenFile(t, "admin"))
	ctx := limited(t)
	admin := dial(t, server.Address, spikeserve.WithToken("admin"))
	network := load(t, admin, testserver.Network(width))
	user := dial(t, server.Address, spikeserve.WithToken("use"))
	_, err := user.Simulate(ctx, network, samples(1))
	check(t, err)
	user.Stream(ctx, network, samples(1), 5)(func(_ spikeserve.Event, err error) bool {
		check(t, err)
		return true
	})
	session, err := user.Session(ctx, network, 1)
	check(t, err)
	check(t, session.Close())
	_, err = user.Unload(ctx, network, 0)
	refused(t, err, codes.PermissionDenied, "token")
	_, err = user.Load(ctx, "other", bytes.NewReader(testserver.Spk(testserver.Network(width))))
	refused(t, err, codes.PermissionDenied, "token")
	_, err = dial(t, server.Address).List(ctx)
	refused(t, err, codes.Unauthenticated, "Bearer TOKEN")
	_, err = dial(t, server.Address, spikeserve.WithToken("wrong")).List(ctx)
	refused(t, err, codes.Unauthenticated, "does not know the token")
}

func TestTLSWithCertificatesOfBothSides(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	cert, key := ours.issue(t, "server")
	clientCert, clientKey := ours.issue(t, "client")
	otherCert, otherKey := other.issue(t, "client")
	ca := ours.path("ca")
	oneSided := start(t, "--tls-cert", cert, "--tls-key", key)
	mutual := start(t, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", ca)
	root := spikeserve.WithRootCertFile(ca)

	for _, client := range []*spikeserve.Client{
		dial(t, oneSided.Address, root),
		dial(t, oneSided.Address, spikeserve.WithTLSConfig(&tls.Config{RootCAs: pool(ours)})),
		dial(t, mutual.Address, root, spikeserve.WithClientCertFiles(clientCert, clientKey)),
	} {
		_, err := client.List(limited(t))
		check(t, err)
	}
	for _, item := range []struct {
		what    string
		address string
		options []spikeserve.DialOption
		text    string
	}{
		{"not encrypted", oneSided.Address, nil, ""},
		{"roots of the system", oneSided.Address, []spikeserve.DialOption{spikeserve.WithTLS()}, "certificate"},
		{"other root", oneSided.Address, []spikeserve.DialOption{spikeserve.WithRootCertFile(other.path("ca"))}, "certificate"},
		{"no client certificate", mutual.Address, []spikeserve.DialOption{root}, ""},
		{"other client certificate", mutual.Address, []spikeserve.DialOption{root, spikeserve.WithClientCertFiles(otherCert, otherKey)}, ""},
	} {
		t.Run(item.what, func(t *testing.T) {
			_, err := spikeserve.Dial(limited(t), item.address, item.options...)
			refused(t, err, codes.Unavailable, item.address, item.text)
		})
	}
}

func TestFilesThatAreNoCertificatesAreNamed(t *testing.T) {
	ours := newAuthority(t)
	cert, key := ours.issue(t, "client")
	old := newKey(t)
	expired := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)}
	content, err := x509.CreateCertificate(rand.Reader, expired, ours.cert, &old.PublicKey, ours.key)
	check(t, err)
	expiredCert := ours.write(t, "expired", "CERTIFICATE", content)
	content, err = x509.MarshalPKCS8PrivateKey(old)
	check(t, err)
	expiredKey := ours.write(t, "expired-key", "PRIVATE KEY", content)
	noise := ours.path("noise")
	check(t, os.WriteFile(noise, bytes.Repeat([]byte{0xff, 0, 7}, 100), 0o600))
	for _, item := range []struct {
		option spikeserve.DialOption
		texts  []string
	}{
		{spikeserve.WithRootCertFile(noise), []string{"root certificates", noise, "PEM"}},
		{spikeserve.WithRootCertFile(key), []string{"root certificates", key, "PEM"}},
		{spikeserve.WithRootCertFile(expiredCert), []string{"root certificates", expiredCert, "expired on 2021-01-01"}},
		{spikeserve.WithRootCertFile(ours.path("missing")), []string{"root certificates", "missing", "no such file"}},
		{spikeserve.WithClientCertFiles(noise, key), []string{"client certificate", noise, "PEM"}},
		{spikeserve.WithClientCertFiles(cert, noise), []string{"client certificate", noise, "PEM"}},
		{spikeserve.WithClientCertFiles(cert, expiredKey), []string{cert, expiredKey, "does not match"}},
		{spikeserve.WithClientCertFiles(expiredCert, expiredKey), []string{expiredCert, "expired on 2021-01-01"}},
		{spikeserve.WithClientCertFiles(cert, ours.path("missing")), []string{"client key", "missing"}},
	} {
		_, err := spikeserve.Dial(limited(t), "127.0.0.1:1", item.option)
		refused(t, err, codes.InvalidArgument, item.texts...)
	}
}

func pool(a *authority) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	return roots
}

func TestAUnixSocketIsAnAddress(t *testing.T) {
	address := "unix:" + filepath.Join(t.TempDir(), "socket")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // not for what is on this machine
	start(t, "--listen", address)
	client := dial(t, address)
	network := load(t, client, testserver.Network(width))
	_, err := client.Simulate(limited(t), network, samples(1))
	check(t, err)
}

func TestNothingListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	address := listener.Addr().String()
	check(t, listener.Close())
	_, err = spikeserve.Dial(limited(t), address)
	refused(t, err, codes.Unavailable, address, "connection refused")
	short, cancel := context.WithTimeout(limited(t), shortly)
	defer cancel()
	lazy, err := spikeserve.Dial(short, address, spikeserve.WithLazyConnection())
	check(t, err)
	defer lazy.Close()
	_, err = lazy.List(short)
	if err == nil {
		t.Error("a call without a server succeeded")
	}
}
