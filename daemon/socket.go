package daemon

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"spacefs/materialize"
)

// The control socket speaks HTTP: POST /OPERATION with the arguments as a line
// of JSON, and after it the bytes that an operation takes, if it does.
// The answer is a line of JSON for each frame: events as they come, steps in
// bundles, pieces of data, and at the end a result or an error.
type frame struct {
	Event  *materialize.Event `json:"event,omitempty"`
	Steps  int                `json:"steps,omitempty"`
	Data   []byte             `json:"data,omitempty"`
	Result json.RawMessage    `json:"result,omitempty"`
	Error  *Error             `json:"error,omitempty"`
	Ready  bool               `json:"ready,omitempty"` // of a mount in the background
}

// frameWriter turns what an operation reports into frames. It is a Reporter
// and, for data, a Writer.
type frameWriter struct {
	mu    sync.Mutex
	out   *json.Encoder
	flush func()
	steps int
}

func newFrameWriter(w io.Writer) *frameWriter {
	e := &frameWriter{out: json.NewEncoder(w), flush: func() {}}
	if f, ok := w.(http.Flusher); ok {
		e.flush = f.Flush
	}
	return e
}

// send drops what nobody reads any more: the work goes on without a listener.
func (e *frameWriter) send(f frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.steps > 0 {
		f.Steps, e.steps = e.steps, 0
	}
	_ = e.out.Encode(f)
	if f.Event == nil || f.Event.Event != materialize.Acted { // there may be very many
		e.flush()
	}
}

func (e *frameWriter) Tell(ev materialize.Event) { e.send(frame{Event: &ev}) }

// Step is told in bundles: a line for each would cost more than the work.
func (e *frameWriter) Step() {
	e.mu.Lock()
	e.steps++
	due := e.steps >= 256
	e.mu.Unlock()
	if due {
		e.send(frame{})
	}
}

func (e *frameWriter) Write(p []byte) (int, error) {
	e.send(frame{Data: p})
	return len(p), nil
}

func (e *frameWriter) end(result any, err error) {
	if err == nil {
		var text []byte
		if text, err = json.Marshal(result); err == nil {
			e.send(frame{Result: text})
			return
		}
	}
	e.send(frame{Error: &Error{ClassOf(err), err.Error()}})
}

// listen opens the control socket of a space, in a directory that is the
// user's alone. No two have the same name: a daemon takes its socket away after it
// has let go of the space, when the next one may listen already.
func listen(space string) (net.Listener, string, error) {
	sum := sha256.Sum256([]byte(space))
	whose := hex.EncodeToString(sum[:8])
	name := whose + "-" + rand.Text()[:8] + ".sock"
	dir := socketDir(len(name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 || !ownedByUs(info) {
		return nil, "", fmt.Errorf("%s must be a directory of mode 0700 that belongs to you", dir)
	}
	path := filepath.Join(dir, name)
	// Whoever listened for this space before is dead, or about to be: we hold its lock.
	left, _ := filepath.Glob(filepath.Join(dir, whose+"-*.sock")) // a name with [ in it leaves some behind
	for _, socket := range left {
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, "", err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, "", err
	}
	return l, path, os.Chmod(path, 0o600)
}

// socketDir is where sockets are: the first place whose name leaves room for
// theirs. The kernel takes 108 bytes on Linux and 104 on macOS.
func socketDir(name int) string {
	own := fmt.Sprintf("spacefs-%d", os.Getuid())
	places := []string{filepath.Join(os.TempDir(), own), filepath.Join("/tmp", own)}
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); runtime != "" {
		places = append([]string{filepath.Join(runtime, "spacefs")}, places...)
	}
	for _, dir := range places {
		if len(dir)+1+name < 104 {
			return dir
		}
	}
	return places[len(places)-1]
}

// maxRequest is more than the largest plan; the rest are a few words.
const maxRequest = 2 << 30

// requestLine reads the arguments.
func requestLine(in *bufio.Reader) (line []byte, err error) {
	for {
		some, err := in.ReadSlice('\n')
		line = append(line, some...)
		if err != bufio.ErrBufferFull {
			return line, err
		}
		if len(line) > maxRequest {
			return nil, errors.New("the request is too long")
		}
	}
}

// ServeHTTP answers the socket.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := bufio.NewReader(r.Body)
	args, err := requestLine(in)
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "POST /OPERATION", http.StatusBadRequest)
		return
	}
	if r.ContentLength >= 0 {
		// Only behind the body's end does the server see that who asked is gone.
		_, err = io.Copy(io.Discard, in)
	} else { // a stream: the answer begins while it is being read
		err = http.NewResponseController(w).EnableFullDuplex()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out := newFrameWriter(w)
	op := filepath.Base(r.URL.Path)
	result, err := s.do(r.Context(), op, args, out, stream{in, out})
	s.letShow(r.Context(), op)
	out.end(result, err)
}

// stream is data both ways: what an operation reads, and what it writes.
type stream struct {
	io.Reader
	io.Writer
}

// client calls operations over a socket.
type client struct{ socket string }

func (c client) call(ctx context.Context, op string, args, result any, report materialize.Reporter, data io.Writer) error {
	line, err := json.Marshal(args)
	if err != nil {
		return err
	}
	var body io.Reader = bytes.NewReader(append(line, '\n'))
	if s, ok := data.(stream); ok && s.Reader != nil {
		body = io.MultiReader(body, s.Reader)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://spacefs/"+op, body)
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.socket)
	}
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("the daemon does not answer: %w", err)
	}
	defer resp.Body.Close()
	return follow(resp.Body, func(text json.RawMessage) error { return json.Unmarshal(text, result) }, report, data)
}

// follow reads frames until the last.
func follow(r io.Reader, take func(json.RawMessage) error, report materialize.Reporter, data io.Writer) error {
	in := json.NewDecoder(bufio.NewReader(r))
	for {
		var f frame
		if err := in.Decode(&f); err != nil {
			return &Error{Failed, "the daemon ended before it answered"}
		}
		if report != nil {
			for range f.Steps {
				report.Step()
			}
		}
		switch {
		case f.Error != nil:
			return f.Error
		case f.Ready:
			return nil
		case f.Result != nil:
			return take(f.Result)
		case f.Data != nil:
			if _, err := data.Write(f.Data); err != nil {
				return err
			}
		case f.Event != nil && report != nil:
			report.Tell(*f.Event)
		}
	}
}
