// Package testserver runs real servers for the tests.
package testserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Variable names the environment variable with the path of the server.
const Variable = "SPIKESERVE_SERVER_BINARY"

// Missing says why tests that need a server are skipped.
const Missing = Variable + " is not set: there is no server to test with"

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
	pollInterval = 5 * time.Millisecond
)

// Server is a process of its own.
type Server struct {
	Address string // HOST:PORT or unix:PATH

	folder  string
	command *exec.Cmd
}

// Binary is the server, or empty where there is none to test with.
func Binary() string { return os.Getenv(Variable) }

// Start runs a server with these flags, and waits until it listens: on loopback, unless they have a --listen.
func Start(flags ...string) (*Server, error) {
	folder, err := os.MkdirTemp("", "spikeserve-go-")
	if err != nil {
		return nil, err
	}
	server := &Server{folder: folder}
	if err := server.start(flags); err != nil {
		server.Kill()
		return nil, err
	}
	return server, nil
}

func (s *Server) start(flags []string) error {
	output, err := os.Create(filepath.Join(s.folder, "stdout"))
	if err != nil {
		return err
	}
	defer output.Close()
	log, err := os.Create(filepath.Join(s.folder, "stderr"))
	if err != nil {
		return err
	}
	defer log.Close()
	flags = append([]string{"--metrics-listen", "none", "--http-listen", "none", "--backend", "cpu", "--threads", "1"}, flags...)
	if !slices.Contains(flags, "--listen") {
		flags = append(flags, "--listen", "127.0.0.1:0")
	}
	s.command = exec.Command(Binary(), flags...)
	s.command.Env = append([]string{"SPIKESERVE_LAME_DUCK_SECONDS=0"}, os.Environ()...) // what a test sets wins
	s.command.Stdout, s.command.Stderr = output, log                                    // files, so that no goroutine copies
	if err := s.command.Start(); err != nil {
		return err
	}
	return s.waitForAddress()
}

func (s *Server) waitForAddress() error {
	for end := time.Now().Add(startTimeout); time.Now().Before(end); time.Sleep(pollInterval) {
		output, err := os.ReadFile(filepath.Join(s.folder, "stdout"))
		if err != nil {
			return err
		}
		for _, line := range strings.SplitAfter(string(output), "\n") {
			if rest, found := strings.CutPrefix(line, "listening on "); found && strings.HasSuffix(rest, "\n") {
				s.Address = strings.TrimSpace(rest)
				return nil
			}
		}
		if s.ended() {
			break
		}
	}
	log, _ := os.ReadFile(filepath.Join(s.folder, "stderr"))
	return fmt.Errorf("the server does not listen:\n%s", bytes.TrimSpace(log))
}

// ended reports whether the process is gone, without waiting for it.
func (s *Server) ended() bool {
	var status syscall.WaitStatus
	pid, err := syscall.Wait4(s.command.Process.Pid, &status, syscall.WNOHANG, nil)
	return err != nil || pid == s.command.Process.Pid
}

// Stop ends the server as an operator does (SIGTERM) and waits; an error where it does not exit with 0.
func (s *Server) Stop() error {
	defer os.RemoveAll(s.folder)
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	defer time.AfterFunc(stopTimeout, func() { _ = s.command.Process.Kill() }).Stop()
	return s.command.Wait()
}

// Terminate tells the server to end (SIGTERM) and does not wait.
func (s *Server) Terminate() error { return s.command.Process.Signal(syscall.SIGTERM) }

// Kill ends the server as a crash does (SIGKILL). No effect after Stop.
func (s *Server) Kill() {
	defer os.RemoveAll(s.folder)
	if s.command == nil || s.command.Process == nil {
		return
	}
	if err := s.command.Process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		_ = s.command.Wait()
	}
}
