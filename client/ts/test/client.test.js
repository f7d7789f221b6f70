import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeJSON, Kind } from "../dist/frame.js";
import { Client } from "../dist/mallee.js";

// A clock that stands still until it is told to go on.
class FakeClock {
  now = 0;
  timers = new Set();
  after(ms, run) {
    const timer = { at: this.now + ms, run };
    this.timers.add(timer);
    return timer;
  }
  cancel(timer) {
    this.timers.delete(timer);
  }
  random() {
    return 0.5;
  }
  async pass(ms) {
    const until = this.now + ms;
    for (;;) {
      await settle();
      const due = [...this.timers].filter((t) => t.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      this.timers.delete(due);
      this.now = due.at;
      due.run();
    }
    this.now = until;
  }
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

// A client whose connections are in the test's hands.
function start(options = {}, urls = "wss://a/") {
  const clock = new FakeClock();
  const dialled = [];
  const told = [];
  const dial = (url, listener) => {
    const conn = { url, listener, frames: [], closed: undefined };
    conn.write = (frame) => conn.frames.push(frame);
    conn.close = (code) => (conn.closed ??= code);
    conn.texts = () => conn.frames.filter((f) => f.kind === Kind.text).map((f) => new TextDecoder().decode(f.payload));
    conn.hello = () => JSON.parse(new TextDecoder().decode(conn.frames[0].payload));
    conn.welcome = (more) => listener.frame(encodeJSON(Kind.welcome, { session: "1", token: "t", epoch: "a", ping_ms: 9000, ...more }));
    dialled.push(conn);
    return conn;
  };
  const client = new Client(urls, { login: { open_id: "ada" }, ...options, dial, clock });
  for (const name of ["open", "message", "lost", "moved", "close", "state"]) client.on(name, (e) => told.push([name, e]));
  return { client, clock, dialled, told, of: (name) => told.filter(([n]) => n === name).map(([, e]) => e) };
}

test("a connection that is cut is resumed, and what was under way is sent again", async () => {
  const { client, clock, dialled, of } = start();
  client.send("1");
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  client.send("2");
  assert.deepEqual(dialled[0].texts(), ["1", "2"]);
  dialled[0].listener.closed(1006, "");
  client.send("3");
  assert.equal(client.state, "waiting");
  await clock.pass(125);
  dialled[1].listener.open();
  assert.deepEqual(dialled[1].hello(), { version: 1, resume: { token: "t", epoch: "a", received: 0 } });
  dialled[1].welcome({ resumed: true, received: 1 });
  assert.deepEqual(dialled[1].texts(), ["2", "3"]);
  assert.deepEqual(of("state"), ["connecting", "open", "waiting", "connecting", "open"]);
  assert.deepEqual(of("lost"), []);
});

test("pauses grow, and shrink after a connection that lasted", async () => {
  const { clock, dialled } = start({ backoff: { first: 100, longest: 400 } });
  await settle();
  const pauses = [];
  for (let i = 0; i < 5; i++) {
    const began = clock.now;
    dialled.at(-1).listener.closed(1006, "");
    while (dialled.length < i + 2) await clock.pass(1);
    pauses.push(clock.now - began);
  }
  assert.deepEqual(pauses, [50, 100, 200, 200, 200]);
  dialled.at(-1).listener.open();
  dialled.at(-1).welcome();
  await clock.pass(400);
  dialled.at(-1).listener.closed(1006, "");
  await clock.pass(50);
  assert.equal(dialled.length, 7);
});

test("the next URL is tried at once, and the one that works again", async () => {
  const { clock, dialled } = start({}, ["https://a/", "wss://a/"]);
  await settle();
  await clock.pass(3000); // UDP is closed
  assert.deepEqual(dialled.map((d) => d.url), ["https://a/", "wss://a/"]);
  assert.notEqual(dialled[0].closed, undefined);
  dialled[1].listener.open();
  dialled[1].welcome();
  dialled[1].listener.closed(1006, "");
  await clock.pass(250);
  assert.equal(dialled[2].url, "wss://a/");
});

test("a login is asked for anew when the gateway says so", async () => {
  const asked = [];
  const { clock, dialled, of } = start({ login: (refused) => (asked.push(refused?.code), { n: asked.length }) });
  await settle();
  dialled[0].listener.open();
  dialled[0].listener.closed(4102, "expired");
  await clock.pass(250);
  dialled[1].listener.open();
  assert.deepEqual(dialled[1].hello().login, { n: 2 });
  dialled[1].welcome();
  dialled[1].listener.closed(4000, "drain");
  await clock.pass(500);
  dialled[2].listener.open();
  assert.equal(dialled[2].hello().login, undefined);
  dialled[2].listener.closed(4105, "the token is of another cluster");
  await clock.pass(1000);
  dialled[3].listener.open();
  assert.deepEqual(dialled[3].hello(), { version: 1, login: { n: 3 } });
  dialled[3].welcome({ epoch: "b" });
  assert.deepEqual(asked, [undefined, 4102, undefined]);
  assert.deepEqual(of("lost"), [{ count: undefined, sent: 0 }]);
});

test("a login that is refused is not repeated", async () => {
  const { client, dialled, of } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].listener.closed(4101, "wrong checksum");
  assert.equal(client.state, "closed");
  assert.deepEqual(of("close"), [{ code: 4101, reason: "wrong checksum", action: "stop" }]);
  assert.throws(() => client.send("x"));
});

test("a kick is the end", async () => {
  const { client, clock, dialled, of } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  dialled[0].listener.closed(4200, "cheater");
  await clock.pass(100_000);
  assert.equal(client.state, "closed");
  assert.equal(dialled.length, 1);
  assert.deepEqual(of("close"), [{ code: 4200, reason: "cheater", action: "stop" }]);
});

test("a move uses the old connection until the new one is there", async () => {
  const { client, clock, dialled, of } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  dialled[0].listener.frame(encodeJSON(Kind.move, { within_ms: 1000, urls: ["wss://b/"] }));
  assert.deepEqual(of("moved"), [{ within: 1000 }]);
  await clock.pass(499);
  assert.equal(dialled.length, 1);
  await clock.pass(1);
  assert.equal(dialled[1].url, "wss://b/");
  client.send("1");
  assert.deepEqual(dialled[0].texts(), ["1"]);
  dialled[1].listener.open();
  assert.equal(dialled[0].closed, 1001); // which leaves the session waiting
  dialled[0].listener.frame({ kind: Kind.text, payload: Uint8Array.of(65) });
  assert.deepEqual(of("message"), []); // it comes again
  dialled[1].welcome({ resumed: true, received: 0 });
  assert.deepEqual(dialled[1].texts(), ["1"]);
  dialled[1].listener.frame({ kind: Kind.text, payload: Uint8Array.of(65) });
  assert.deepEqual(of("message"), ["A"]);
});

test("a move to a gateway that is not there goes back to the known one", async () => {
  const { clock, dialled } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  dialled[0].listener.frame(encodeJSON(Kind.move, { within_ms: 0, urls: ["wss://b/"] }));
  await clock.pass(0);
  dialled[1].listener.closed(1006, "");
  assert.equal(dialled[0].closed, undefined);
  await clock.pass(250);
  assert.equal(dialled[2].url, "wss://a/");
});

test("a gateway that is silent is left", async () => {
  const { clock, dialled, of } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  await clock.pass(9000);
  assert.equal(dialled[0].frames.filter((f) => f.kind === Kind.ping).length, 2);
  dialled[0].listener.frame({ kind: Kind.pong, payload: new Uint8Array() });
  await clock.pass(9000);
  assert.equal(dialled.length, 1);
  await clock.pass(4700);
  assert.equal(dialled.length, 2);
  assert.equal(of("close")[0].action, "resume");
});

test("acks come after so many messages, or after a while", async () => {
  const { clock, dialled } = start({ ack: { every: 3, after: 500 } });
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  const acks = () => dialled[0].frames.filter((f) => f.kind === Kind.ack).map((f) => f.payload[0]);
  for (let i = 0; i < 4; i++) dialled[0].listener.frame({ kind: Kind.binary, payload: Uint8Array.of(i) });
  assert.deepEqual(acks(), [3]);
  await clock.pass(500);
  assert.deepEqual(acks(), [3, 4]);
});

test("nonsense of the gateway ends the client", async () => {
  const { client, dialled } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].listener.frame({ kind: 77, payload: new Uint8Array() });
  assert.equal(dialled[0].closed, 1002);
  assert.equal(client.state, "closed");
});

test("close ends the session and everything else", async () => {
  const { client, clock, dialled, of } = start();
  await settle();
  dialled[0].listener.open();
  dialled[0].welcome();
  client.close("done");
  assert.equal(dialled[0].closed, 1000);
  assert.deepEqual(of("close"), [{ code: 1000, reason: "done", action: "stop" }]);
  await clock.pass(100_000);
  assert.equal(clock.timers.size, 0);
  assert.equal(dialled.length, 1);
});
