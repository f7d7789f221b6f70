// A connection to the gateway that comes back: the framed protocol of
// docs/gateway.md over a WebSocket.
const LOGIN = 1, WELCOME = 2, TEXT = 3, BINARY = 4, ACK = 5, LOST = 6, MOVE = 7, PING = 8, PONG = 9;
const encoder = new TextEncoder(), decoder = new TextDecoder();

function frame(kind, payload) {
  const bytes = typeof payload === "string" ? encoder.encode(payload) : payload;
  const out = new Uint8Array(1 + bytes.length);
  out[0] = kind;
  out.set(bytes, 1);
  return out;
}

function varint(n) {
  const out = [];
  for (; n >= 128; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  out.push(n);
  return new Uint8Array(out);
}

// ranges of codes say what to do: come back with the token, with a new login, or not at all
const final = (code) => code === 1000 || code === 1002 || code === 1007 || code === 1009 || code >= 4100;

export class Connection {
  #url; #login; #on; #socket; #token; #epoch; #received = 0; #acked = 0; #sent = 0; #unacked = []; #wait = 0; #ping;

  // on has welcome, message, lost, away and closed.
  constructor(url, login, on) {
    this.#url = url;
    this.#login = login;
    this.#on = on;
    this.#open();
  }

  send(text) {
    this.#sent++;
    this.#unacked.push(text);
    if (this.#socket.readyState === WebSocket.OPEN && this.#epoch) this.#socket.send(frame(TEXT, text));
    while (this.#unacked.length > 64) this.#unacked.shift();
  }

  #open() {
    const socket = this.#socket = new WebSocket(this.#url, "mallee.v1");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const hello = { version: 1, login: this.#login };
      if (this.#token) hello.resume = { token: this.#token, epoch: this.#epoch, received: this.#received };
      socket.send(frame(LOGIN, JSON.stringify(hello)));
    };
    socket.onmessage = (m) => this.#take(new Uint8Array(m.data));
    socket.onclose = (e) => this.#closed(e);
  }

  #take(bytes) {
    const payload = bytes.subarray(1);
    switch (bytes[0]) {
      case WELCOME: return this.#welcome(JSON.parse(decoder.decode(payload)));
      case TEXT: case BINARY:
        if (++this.#received - this.#acked >= 20) this.#socket.send(frame(ACK, varint(this.#acked = this.#received)));
        return this.#on.message(decoder.decode(payload));
      case LOST: {
        const { count } = JSON.parse(decoder.decode(payload));
        this.#received += count;
        return this.#on.lost(count);
      }
      case MOVE: return setTimeout(() => this.#socket.close(), Math.random() * JSON.parse(decoder.decode(payload)).within_ms);
      case PING: return this.#socket.send(frame(PONG, payload));
    }
  }

  #welcome(w) {
    const again = this.#epoch !== undefined;
    this.#wait = 0;
    this.#token = w.token;
    if (!w.resumed) this.#received = this.#acked = this.#sent = 0;
    this.#epoch = w.epoch;
    if (w.resumed) for (const text of this.#unacked.slice(this.#unacked.length - (this.#sent - w.received))) this.#socket.send(frame(TEXT, text));
    this.#unacked = [];
    clearInterval(this.#ping);
    this.#ping = setInterval(() => this.#socket.readyState === WebSocket.OPEN && this.#socket.send(frame(PING, "")), Math.max(w.ping_ms, 2000) / 2);
    this.#on.welcome(w, again);
  }

  #closed(event) {
    if (event.code && final(event.code)) return this.#on.closed(event.code, event.reason);
    this.#on.away();
    this.#wait = Math.min(this.#wait * 2 || 250, 5000);
    setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random()));
  }
}
