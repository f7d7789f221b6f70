// Against a real gateway: a Go test runs this one, and says where it is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../dist/mallee.js";

const { MALLEE_GATEWAYS: gateways, MALLEE_CONTROL: control } = process.env;
const options = { skip: gateways ? false : "needs a gateway: go test ./client/ts", timeout: 60_000 };
const urls = gateways?.split(" ");
const post = (path) => fetch(control + path, { method: "POST" });

function open(user, t, more) {
  const client = new Client(urls, { login: { user }, backoff: { first: 5, longest: 50 }, ...more });
  t.after(() => client.close());
  const got = [];
  const waiting = [];
  const arrive = (e) => (waiting.length ? waiting.shift()(e) : got.push(e));
  client.on("message", arrive);
  client.on("lost", (lost) => arrive({ lost }));
  const ended = new Promise((resolve) => client.on("close", (e) => e.action === "stop" && resolve(e)));
  return { client, ended, next: () => (got.length ? Promise.resolve(got.shift()) : new Promise((resolve) => waiting.push(resolve))) };
}

test("text and bytes come back", options, async (t) => {
  const { client, next } = open("node-echo", t);
  client.send("Grüße");
  assert.equal(await next(), "Grüße");
  client.send(Uint8Array.of(0, 255));
  assert.deepEqual(await next(), Uint8Array.of(0, 255));
  assert.match(client.resume.token, /./);
});

test("nothing is lost by cuts", options, async (t) => {
  const { client, next } = open("node-cuts", t);
  for (let i = 0; i < 300; i++) {
    client.send(String(i));
    if (i % 50 === 25) await post("/cut");
    if (i >= 10) assert.equal(await next(), String(i - 10));
  }
});

test("a page that is loaded anew goes on", options, async (t) => {
  const before = open("node-reload", t);
  before.client.send("1");
  assert.equal(await before.next(), "1");
  const { resume } = before.client;
  const after = open("node-reload", t, { resume });
  const opened = new Promise((resolve) => after.client.on("open", resolve));
  assert.equal((await opened).resumed, true);
  after.client.send("2");
  assert.equal(await after.next(), "2");
});

test("a kick is the end", options, async (t) => {
  const { client, ended } = open("node-kick", t);
  client.send("kick enough is enough");
  assert.deepEqual(await ended, { code: 4200, reason: "enough is enough", action: "stop" });
});

test("a login that is refused is the end", options, async (t) => {
  const { ended } = open("", t);
  assert.equal((await ended).code, 4101);
});

test("a gateway that drains is left without a loss", options, async (t) => {
  const { client, next } = open("node-drain", t);
  let drained;
  for (let i = 0; i < 300; i++) {
    if (i === 100) drained = post("/drain");
    client.send(String(i));
    assert.equal(await next(), String(i));
  }
  assert.equal((await drained).status, 200);
  client.send("still here");
  assert.equal(await next(), "still here");
});
