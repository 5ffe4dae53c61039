package spikeserve

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

const (
	// DefaultMaxMessageBytes is the size of the largest message that a client sends or takes, unless it is told
	// otherwise by WithMaxMessageBytes. A server's own default is 64 MiB of values (--max-message-mb and
	// --max-response-mb); the rest is for what lies around the values of an answer.
	DefaultMaxMessageBytes = 72 << 20
	// DefaultKeepalive is the time without a sign of life after which a client asks for one. A server takes
	// such questions at least 10 seconds apart.
	DefaultKeepalive = 30 * time.Second

	// writeBufferBytes go out in one system call: several requests of 64 small images.
	writeBufferBytes = 256 << 10
	// What a server may send before it hears that something was read. Windows that are fixed also spare the
	// questions with which grpc-go sizes them otherwise, one or two more messages for every call.
	streamWindowBytes     = 4 << 20
	connectionWindowBytes = 16 << 20

	keepaliveTimeout = 20 * time.Second
	connectTimeout   = 20 * time.Second
)

// DialOption says how Dial connects.
type DialOption func(*dialing) error

// dialing is what the options of a Dial come to.
type dialing struct {
	token           string
	tls             *tls.Config // nil: not encrypted
	maxMessageBytes int
	keepalive       time.Duration
	serviceConfig   string
	lazy            bool
	grpc            []grpc.DialOption
}

// WithToken sends a bearer token with every call: printable ASCII. Without TLS it travels in the clear.
func WithToken(token string) DialOption {
	return func(d *dialing) error {
		for _, c := range []byte(token) {
			if c <= ' ' || c > '~' {
				return invalid("the token has characters that cannot be sent, wanted printable ASCII")
			}
		}
		if token == "" {
			return invalid("the token is empty")
		}
		d.token = token
		return nil
	}
}

// WithTLS encrypts, and checks the server's certificate against the root certificates of the system.
func WithTLS() DialOption {
	return func(d *dialing) error {
		d.needTLS()
		return nil
	}
}

// WithRootCertFile encrypts, and checks the server's certificate against those in a PEM file.
func WithRootCertFile(path string) DialOption {
	return func(d *dialing) error {
		content, err := os.ReadFile(path)
		if err != nil {
			return unreadable("root certificates", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(content) {
			return invalid("root certificates: %s has no certificate in PEM format", path)
		}
		if end, expired := allExpired(content); expired {
			return invalid("root certificates: %s expired on %s", path, end.Format(time.RFC3339))
		}
		d.needTLS().RootCAs = roots
		return nil
	}
}

// WithClientCertFiles encrypts, and shows the server a certificate of the client, from PEM files.
func WithClientCertFiles(certPath, keyPath string) DialOption {
	return func(d *dialing) error {
		cert, err := os.ReadFile(certPath)
		if err != nil {
			return unreadable("client certificate", err)
		}
		key, err := os.ReadFile(keyPath)
		if err != nil {
			return unreadable("client key", err)
		}
		certificate, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return unreadable("client certificate: "+certPath+" with the key "+keyPath, err)
		}
		leaf, err := x509.ParseCertificate(certificate.Certificate[0])
		if err == nil && leaf.NotAfter.Before(time.Now()) {
			return invalid("client certificate: %s expired on %s", certPath, leaf.NotAfter.Format(time.RFC3339))
		}
		config := d.needTLS()
		config.Certificates = append(config.Certificates, certificate)
		return nil
	}
}

// WithTLSConfig encrypts as this configuration says, for what the other options do not have. Options behind it
// add to a copy of it.
func WithTLSConfig(config *tls.Config) DialOption {
	return func(d *dialing) error {
		if config == nil {
			return invalid("the TLS configuration is nil")
		}
		d.tls = config.Clone()
		return nil
	}
}

// WithMaxMessageBytes sets the size of the largest message, sent or received, where a server has another
// --max-message-mb or --max-response-mb than the default. Above 0.
func WithMaxMessageBytes(bytes int) DialOption {
	return func(d *dialing) error {
		if bytes <= 0 {
			return invalid("the largest message has %d bytes, wanted more than 0", bytes)
		}
		d.maxMessageBytes = bytes
		return nil
	}
}

// WithKeepalive sets the time without a sign of life after which the server is asked for one; at least 10 s, as
// a server ends connections that ask more often.
func WithKeepalive(interval time.Duration) DialOption {
	return func(d *dialing) error {
		if interval < 10*time.Second {
			return invalid("the keepalive interval is %v, wanted at least 10s", interval)
		}
		d.keepalive = interval
		return nil
	}
}

// WithServiceConfig replaces the gRPC service config (JSON) of this package: round_robin with health checks,
// and up to 3 repetitions of calls that change nothing where the server is UNAVAILABLE.
func WithServiceConfig(config string) DialOption {
	return func(d *dialing) error {
		d.serviceConfig = config
		return nil
	}
}

// WithLazyConnection makes Dial return without waiting for a server, which may start later. The first call
// connects.
func WithLazyConnection() DialOption {
	return func(d *dialing) error {
		d.lazy = true
		return nil
	}
}

// WithGRPC adds options of grpc-go, such as interceptors. They come last, and so win over those of this package.
func WithGRPC(options ...grpc.DialOption) DialOption {
	return func(d *dialing) error {
		d.grpc = append(d.grpc, options...)
		return nil
	}
}

// allExpired says whether no certificate of a PEM file is good any more, and when the last one ended.
func allExpired(content []byte) (end time.Time, expired bool) {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err == nil && cert.NotAfter.After(end) {
			end = cert.NotAfter
		}
	}
	return end, !end.IsZero() && end.Before(time.Now())
}

func (d *dialing) needTLS() *tls.Config {
	if d.tls == nil {
		d.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return d.tls
}

func unreadable(what string, err error) error {
	refused := invalid("%s: %v", what, err)
	refused.cause = err
	return refused
}

// connection are the options of a channel to the server; those that go through the balancer are left to the
// caller.
func (d *dialing) connection() []grpc.DialOption {
	transport := insecure.NewCredentials()
	if d.tls != nil {
		transport = credentials.NewTLS(d.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(d.maxMessageBytes),
			grpc.MaxCallSendMsgSize(d.maxMessageBytes),
			grpc.MaxRetryRPCBufferSize(d.maxMessageBytes),
			grpc.ForceCodecV2(codec{}),
		),
		grpc.WithWriteBufferSize(writeBufferBytes),
		grpc.WithInitialWindowSize(streamWindowBytes),
		grpc.WithInitialConnWindowSize(connectionWindowBytes),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: d.keepalive, Timeout: keepaliveTimeout, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second,
			},
			MinConnectTimeout: connectTimeout,
		}),
	}
	if d.token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(d.token)))
	}
	return options
}
