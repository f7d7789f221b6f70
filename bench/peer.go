package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// A role is what a peer process does: it starts to serve and says where.
type role func(ctx context.Context, args []string) (addr string, err error)

func roles() map[string]role {
	return map[string]role{
		"bare-mux":         serveBareMux,
		"grpc-unary":       serveGRPC,
		"protoactor-grain": serveProtoGrain,
		"mallee-pd":        serveMalleePD,
		"mallee-host":      serveMalleeHost,
		"websocket":        serveWebSocket,
		"mallee-gateway":   serveMalleeGateway,
		"mallee-players":   serveMalleePlayers,
		"centrifuge":       serveCentrifuge,
		"user-function":    serveFunction,
		"mallee-sidecar":   serveSidecar,
		"grpc-echo":        serveRawEcho,
		"grpc-proxy":       serveProxy,
		"dapr-app":         serveDaprApp,
		"mallee-replica":   serveMalleeReplica,
		"bare-replica":     serveBareReplica,
	}
}

// A peer is another process of this program, to which a contestant talks over
// loopback. It ends with its standard input, so with this process at the latest.
type peer struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	addr string
}

func startPeer(_ context.Context, name string, args ...string) (*peer, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProgram(exe, append([]string{"-serve", name}, args...)...)
}

// startProgram starts a peer that is another program: it says where it serves, and
// ends with its standard input.
func startProgram(exe string, args ...string) (p *peer, err error) {
	p = &peer{cmd: exec.Command(exe, args...)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	p.addr, err = p.line()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("peer %s: %w", filepath.Base(exe)+" "+strings.Join(args, " "), err), p.stop())
	}
	return p, nil
}

func (p *peer) line() (string, error) {
	if p.out.Scan() {
		return p.out.Text(), nil
	}
	return "", errors.Join(p.out.Err(), io.ErrUnexpectedEOF)
}

// liveBytes is what liveBytes says in the peer.
func (p *peer) liveBytes() (int64, error) { return p.ask("weigh") }

// residentBytes is what residentBytes says in the peer.
func (p *peer) residentBytes() (int64, error) { return p.ask("weigh all") }

func (p *peer) ask(command string) (int64, error) {
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		return 0, err
	}
	line, err := p.line()
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(line, 10, 64)
}

// kill ends the peer as a crash would.
func (p *peer) kill() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // says that it was killed
	return err
}

func (p *peer) stop() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}

// serve is the peer's side.
func serve(ctx context.Context, name string, args []string, in io.Reader, out io.Writer) error {
	if name == "program" {
		return serveProgram(ctx, args, in, out)
	}
	start, ok := roles()[name]
	if !ok {
		return fmt.Errorf("no role %q", name)
	}
	addr, err := start(ctx, args)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, addr)
	commands := bufio.NewScanner(in)
	for commands.Scan() {
		switch strings.TrimSpace(commands.Text()) {
		case "weigh":
			fmt.Fprintln(out, liveBytes())
		case "weigh all":
			fmt.Fprintln(out, residentBytes())
		}
	}
	return commands.Err()
}
