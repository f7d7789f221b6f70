import assert from "node:assert/strict";
import { test } from "node:test";
import { action, decodeAck, encodeAck, encodeStream, StreamDecoder } from "../dist/frame.js";

test("acks go there and back", () => {
  for (const n of [0, 1, 127, 128, 300, 2 ** 32, 2 ** 53 - 1]) assert.equal(decodeAck(encodeAck(n).payload), n);
  for (const bad of [[], [0x80], [1, 1], Array(10).fill(0xff)]) assert.throws(() => decodeAck(Uint8Array.from(bad)));
});

test("a stream is cut into frames wherever its chunks end", () => {
  const frames = [3, 4, 5].map((kind) => ({ kind, payload: new Uint8Array(kind * 7).fill(kind) }));
  const bytes = frames.flatMap((f) => [...encodeStream(f)]);
  for (let size = 1; size <= bytes.length; size++) {
    const decoder = new StreamDecoder(100);
    const got = [];
    for (let at = 0; at < bytes.length; at += size) {
      decoder.push(Uint8Array.from(bytes.slice(at, at + size)));
      for (let f = decoder.next(); f; f = decoder.next()) got.push({ kind: f.kind, payload: f.payload.slice() });
    }
    assert.deepEqual(got, frames);
  }
});

test("a frame that is too large is refused before it has come", () => {
  const decoder = new StreamDecoder(100);
  decoder.push(Uint8Array.from([0xff, 0xff, 0xff, 0xff]));
  assert.throws(() => decoder.next(), { code: 1009 });
});

test("the range of a code says what to do", () => {
  const expected = { 0: "resume", 1000: "stop", 1001: "resume", 1002: "stop", 1006: "resume", 1011: "resume", 4000: "resume", 4099: "resume", 4100: "login", 4200: "stop", 9999: "stop" };
  for (const [code, want] of Object.entries(expected)) assert.equal(action(Number(code)), want, code);
});
