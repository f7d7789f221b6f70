import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeAck, encodeAck, encodeJSON, Kind } from "../dist/frame.js";
import { BufferFull, Session } from "../dist/session.js";

const bounds = { messages: 8, bytes: 1 << 20 };
const welcome = (more) => encodeJSON(Kind.welcome, { session: "1", token: "t", epoch: "a", resumed: false, received: 0, ...more });
const text = (s) => ({ kind: Kind.text, payload: new TextEncoder().encode(s) });
const json = (frame) => JSON.parse(new TextDecoder().decode(frame.payload));

function opened(more) {
  const session = new Session(bounds);
  session.begin({ open_id: "ada" });
  session.read(welcome(more));
  return session;
}

function written(session) {
  const frames = [];
  for (let f = session.next(); f; f = session.next()) frames.push(new TextDecoder().decode(f.payload));
  return frames;
}

test("the login comes first, then what was sent", () => {
  const session = new Session(bounds);
  session.send("early");
  assert.deepEqual(json(session.begin({ open_id: "ada" })), { version: 1, login: { open_id: "ada" } });
  assert.deepEqual(written(session), []);
  assert.equal(session.read(welcome()).type, "open");
  assert.deepEqual(written(session), ["early"]);
});

test("what the gateway has not received is sent again, the rest is not", () => {
  const session = opened();
  for (const m of ["1", "2", "3", "4"]) session.send(m);
  assert.deepEqual(written(session), ["1", "2", "3", "4"]);
  session.read(encodeAck(1));
  assert.equal(session.buffered, 3);
  session.read(text("down"));
  assert.deepEqual(json(session.begin(undefined)), { version: 1, resume: { token: "t", epoch: "a", received: 1 } });
  session.read(welcome({ resumed: true, received: 2 }));
  assert.deepEqual(written(session), ["3", "4"]);
  // 2 has come, and nobody has said that the actor has seen it.
  session.begin(undefined);
  assert.equal(session.read(welcome({ epoch: "b" })).lost.sent, 3);
});

test("in a new epoch what may have arrived is not sent again, and told", () => {
  const session = opened();
  session.send("1");
  written(session);
  session.send("2");
  session.begin(undefined);
  const event = session.read(welcome({ epoch: "b", token: "u" }));
  assert.deepEqual(event.lost, { count: undefined, sent: 1 });
  assert.deepEqual(written(session), ["2"]);
  assert.deepEqual(session.resume, { token: "u", epoch: "b", received: 0 });
});

test("lost messages are counted as if they had come", () => {
  const session = opened();
  assert.deepEqual(session.read(encodeJSON(Kind.lost, { count: 5 })).lost, { count: 5, sent: 0 });
  session.read(text("x"));
  assert.equal(session.resume.received, 6);
  assert.equal(decodeAck(session.ack(1).payload), 6);
  assert.equal(session.ack(1), undefined);
});

test("messages that may not have been seen are told once", () => {
  const session = opened();
  assert.deepEqual(session.read(encodeJSON(Kind.lost, { count: 0, sent: 2 })).lost, { count: 0, sent: 2 });
  assert.equal(session.read(encodeJSON(Kind.lost, { count: 0, sent: 2 })).type, "none");
  assert.deepEqual(session.read(encodeJSON(Kind.lost, { count: 1, sent: 3 })).lost, { count: 1, sent: 1 });
});

test("a session that a page had kept goes on", () => {
  const session = new Session(bounds, { token: "t", epoch: "a", received: 7 });
  session.send("new");
  assert.equal(json(session.begin(undefined)).resume.received, 7);
  session.read(welcome({ resumed: true, received: 40 }));
  assert.deepEqual(written(session), ["new"]);
});

test("the send buffer and messages are bounded", () => {
  const session = opened({ max_message: 10 });
  for (let i = 0; i < 8; i++) session.send("x");
  assert.throws(() => session.send("x"), BufferFull);
  assert.throws(() => session.send("x".repeat(11)), RangeError);
});

test("nonsense is a protocol error", () => {
  const nonsense = [
    [text("early"), false],
    [{ kind: 99, payload: new Uint8Array() }, true],
    [{ kind: Kind.text, payload: Uint8Array.of(0xff) }, true],
    [{ kind: Kind.lost, payload: new TextEncoder().encode("[]") }, true],
    [encodeJSON(Kind.lost, { count: -1 }), true],
    [encodeAck(1), true],
    [welcome({ epoch: "other" }), true],
    [welcome({ epoch: "" }), false],
    [welcome({ resumed: true }), false],
  ];
  for (const [frame, open] of nonsense) {
    const session = new Session(bounds);
    session.begin({});
    if (open) session.read(welcome());
    assert.throws(() => session.read(frame), { name: "ProtocolError" });
  }
});
