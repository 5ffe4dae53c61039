package spikeserve

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The kinds of errors, one for each gRPC status code that a server answers with. Test for them with errors.Is.
// An expired deadline is context.DeadlineExceeded, a cancelled call context.Canceled.
var (
	// ErrInvalidArgument: the request or the network breaks a rule; the message names the field, got and
	// allowed. Also for what this package refuses before it sends anything.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrNotFound: no such network or version.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists: the version is loaded already.
	ErrAlreadyExists = errors.New("already exists")
	// ErrResourceExhausted: a limit, the memory budget or the queue of the server, or the size of a message.
	// Trying again at once makes it worse.
	ErrResourceExhausted = errors.New("resource exhausted")
	// ErrFailedPrecondition: the server is not in a state that allows this.
	ErrFailedPrecondition = errors.New("failed precondition")
	// ErrOutOfRange: numbers of a sample left the range of exact arithmetic, or an output is not finite.
	ErrOutOfRange = errors.New("out of range")
	// ErrUnavailable: no server there, or it is shutting down or still loading the network. Trying again is
	// right; calls that change nothing have been tried again already.
	ErrUnavailable = errors.New("unavailable")
	// ErrUnauthenticated: the token is missing or wrong.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrPermissionDenied: the token does not allow this.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrDataLoss: what is stored at the server is damaged.
	ErrDataLoss = errors.New("data loss")
	// ErrAborted: the call met another change of the same thing; it can be tried again.
	ErrAborted = errors.New("aborted")
	// ErrUnimplemented: the server does not know this call; it is probably older than this package.
	ErrUnimplemented = errors.New("unimplemented")
	// ErrInternal: a fault of the server, or an answer that makes no sense.
	ErrInternal = errors.New("internal")
)

var kinds = map[codes.Code]error{
	codes.InvalidArgument:    ErrInvalidArgument,
	codes.NotFound:           ErrNotFound,
	codes.AlreadyExists:      ErrAlreadyExists,
	codes.ResourceExhausted:  ErrResourceExhausted,
	codes.FailedPrecondition: ErrFailedPrecondition,
	codes.OutOfRange:         ErrOutOfRange,
	codes.Unavailable:        ErrUnavailable,
	codes.Unauthenticated:    ErrUnauthenticated,
	codes.PermissionDenied:   ErrPermissionDenied,
	codes.DataLoss:           ErrDataLoss,
	codes.Aborted:            ErrAborted,
	codes.Unimplemented:      ErrUnimplemented,
	codes.Internal:           ErrInternal,
	codes.DeadlineExceeded:   context.DeadlineExceeded,
	codes.Canceled:           context.Canceled,
}

// Error is a call that failed. errors.Is knows its kind, status.Code its code.
type Error struct {
	// Message is what the server said, or what this package says where nothing was sent.
	Message string
	// Code is the gRPC status code.
	Code codes.Code
	// Target is the server of the call, as it was given to Dial; empty where nothing was sent.
	Target string

	status *status.Status // with details, where the server sent some
	cause  error          // what lies below, where nothing was sent
}

// Error is the message; one of UNAVAILABLE also names the server.
func (e *Error) Error() string {
	switch {
	case e.Target == "":
		return "spikeserve: " + e.Message
	case e.Code == codes.Unavailable:
		return fmt.Sprintf("spikeserve: server %s cannot be reached or is not ready: %s", e.Target, e.Message)
	default:
		return fmt.Sprintf("spikeserve: %s: %s", e.Code, e.Message)
	}
}

// Is reports whether target is the kind of this error.
func (e *Error) Is(target error) bool {
	kind, known := kinds[e.Code]
	return known && kind == target
}

// Unwrap is the error below this one, nil for what a server answered.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus is the status that the call ended with; status.Code and status.FromError use it.
func (e *Error) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	return status.New(e.Code, e.Message)
}

// failure is the error of a call: nil for nil.
func failure(err error, target string) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	found, isStatus := status.FromError(err)
	if !isStatus {
		found = status.FromContextError(err)
	}
	return &Error{Message: found.Message(), Code: found.Code(), Target: target, status: found}
}

// invalid is an argument that is refused before anything is sent.
func invalid(format string, arguments ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, arguments...), Code: codes.InvalidArgument}
}

// nonsense is an answer that does not hold together.
func nonsense(format string, arguments ...any) *Error {
	return &Error{Message: "the server's answer: " + fmt.Sprintf(format, arguments...), Code: codes.Internal}
}
