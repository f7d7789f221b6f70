import { Client } from "./client/mallee.js";
import { Input } from "./input.js";
import { Timeline } from "./timeline.js";
import { View } from "./view.js";

const $ = (id) => document.getElementById(id);
const canvas = $("sky");
const view = new View(canvas), input = new Input(canvas);

// What is known of the game.
let client, you, field, who = new Map(), timeline = new Timeline(), events = [], own, last = {};
const moves = { field: 0, pilot: 0 }; // that were seen

// take is what the actors say: a report has one field.
function take(report, now) {
  if (report.you) takeYou(report.you);
  if (report.field) takeField(report.field);
  if (report.hall) takeHall(report.hall);
  if (report.frame) {
    timeline.add(report.frame, now);
    for (const e of report.frame.x ?? []) events.push({ e, at: now + 110 });
    lastFrame = now;
  }
}

function takeYou(y) {
  if (you && moved(you.place, y.place)) {
    moves.pilot++;
    banner(`Your pilot lives on ${y.place.node} now`);
  }
  if (y.points !== you?.points) say({ hall: true });
  you = y;
  $("points").firstChild.textContent = y.points;
  $("pilot-name").textContent = y.pilot;
  show($("pilot-node"), place(y.place, moves.pilot));
}

function takeField(f) {
  if (field?.name === f.name && moved(field.place, f.place)) {
    moves.field++;
    banner(f.place.node === field.place.node ? `The field has come back on ${f.place.node}` : `The field has moved from ${field.place.node} to ${f.place.node}`);
  }
  field = f;
  who = new Map(f.ships.map((s) => [s.id, s]));
  own = f.ships.find((s) => !s.drone && s.name === you?.pilot)?.id;
  view.size(f.width, f.height);
  $("field-name").textContent = f.name;
  show($("field-node"), place(f.place, moves.field));
}

function takeHall(h) {
  list($("hall"), h.best.map((s) => ({ name: s.pilot, hue: s.hue, score: s.points, own: s.pilot === you?.pilot })));
  $("online").firstChild.textContent = h.online;
}

const moved = (a, b) => a.node !== b.node || a.life !== b.life;
const place = (p, n) => `on ${p.node}` + (n ? `, moved ${n === 1 ? "once" : n + " times"}` : "");

// show changes a text, and lets it be seen that it has changed.
function show(at, text) {
  if (at.textContent === text) return;
  at.textContent = text;
  at.classList.remove("fresh");
  void at.offsetWidth; // begins the animation anew
  at.classList.add("fresh");
}

let bannerEnds;
function banner(text, bad = false, forMs = 4500) {
  const b = $("banner");
  b.textContent = text;
  b.className = bad ? "shown bad" : "shown";
  clearTimeout(bannerEnds);
  bannerEnds = setTimeout(() => (b.className = bad ? "bad" : ""), forMs);
}

function list(at, rows) {
  at.replaceChildren(...rows.map((r) => {
    const li = document.createElement("li"), name = document.createElement("span"), score = document.createElement("b");
    li.style.setProperty("--hue", r.hue);
    li.className = r.own ? "own" : r.drone ? "drone" : "";
    name.textContent = r.name;
    score.textContent = r.score;
    li.append(name, score);
    return li;
  }));
}

function showScores() {
  const rows = (timeline.latest?.s ?? []).map((s) => ({ ...who.get(s[0]), score: s[5], own: s[0] === own })).filter((r) => r.name);
  list($("scores"), rows.sort((a, b) => b.score - a.score).slice(0, 10));
}

// steer tells what the hands do when that has changed, and now and then that
// somebody is there. While the field is silent, its node may be gone, little is
// said: what is old then is worth nothing.
let lastFrame = 0, sentAt = 0;
function steer(scene, now) {
  const ship = scene?.ships.find((s) => s.row[0] === own)?.row;
  const wish = input.steer(ship && view.onScreen(ship[1], ship[2]));
  const changed = wish.x !== last.x || wish.y !== last.y || wish.fire !== last.fire || Math.abs(wish.aim - last.aim) > 0.02;
  const pause = now - lastFrame > 700 || !changed ? 700 : 45;
  if (now - sentAt < pause) return;
  last = wish;
  sentAt = now;
  say({ steer: wish });
}

let before = performance.now();
function loop(now) {
  requestAnimationFrame(loop);
  const scene = timeline.at(now);
  const mine = timeline.latest?.s.find((s) => s[0] === own);
  events = events.filter(({ e, at }) => {
    if (at > now) return true;
    view.happen(e, mine && Math.hypot(mine[1] - e[1], mine[2] - e[2]) < 60);
    return false;
  });
  if (own !== undefined && client?.state === "open" && now - lastFrame > 1500) banner("The field is silent; its node may be gone", true, 1000);
  view.draw(scene, who, own, Math.min((now - before) / 1000, 0.1), now);
  before = now;
  $("away").classList.toggle("shown", mine?.[4] === 0);
}
requestAnimationFrame(loop);

// say tells the pilot something, if somebody listens.
function say(request) {
  if (client.state === "open") client.send(JSON.stringify(request));
}

function play(name, fieldName, hue) {
  const url = new URL("connect", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = url.hash = "";
  let session;
  client = new Client(url.href, { login: { name } });
  client.on("open", (now) => {
    const known = session !== undefined;
    document.body.dataset.state = "playing";
    $("session-id").textContent = now.session;
    show($("session-state"), !known ? "connected" : now.resumed ? "resumed" : "begun anew");
    if (known) banner(now.resumed ? "The session goes on, nothing was missed" : "The session goes on; something was missed");
    if (now.session !== session) say({ enter: { field: fieldName, hue } });
    session = now.session;
    say({ hall: true });
  });
  client.on("message", (text) => take(JSON.parse(text), performance.now()));
  client.on("lost", ({ count }) => count && banner(`${count} messages were missed`, true, 2000));
  client.on("moved", () => banner("The gateway is about to stop; going to another one"));
  client.on("close", ({ code, reason, action }) => {
    if (action === "stop") {
      document.body.dataset.state = "asking";
      $("refused").textContent = `${reason || "The gateway has closed the connection"} (${code})`;
    } else if (document.body.dataset.state === "playing") {
      show($("session-state"), "coming back…");
      banner("The connection is gone; coming back…", true, 60000);
    }
  });
}

setInterval(() => client && steer(timeline.at(performance.now()), performance.now()), 20);
setInterval(showScores, 200);
setInterval(() => client && say({ hall: true }), 5000);

// The form. The page's address can fill it: ?name=ada&field=red#play goes in at once.
const hues = [140, 190, 220, 275, 320, 5, 35, 55];
const asked = new URLSearchParams(location.search);
let hue = +(asked.get("hue") ?? localStorage.getItem("hue") ?? hues[Math.floor(Math.random() * hues.length)]);
$("name").value = asked.get("name") ?? localStorage.getItem("name") ?? "";
$("field").value = asked.get("field") ?? $("field").value;
for (const h of hues) {
  const b = document.createElement("button");
  b.type = "button";
  b.role = "radio";
  b.ariaLabel = `hue ${h}`;
  b.style.setProperty("--hue", h);
  b.onclick = () => { hue = h; chosen(); };
  $("hues").append(b);
}
function chosen() {
  [...$("hues").children].forEach((b, i) => (b.ariaChecked = hues[i] === hue));
}
chosen();
$("ask").onsubmit = (e) => {
  e.preventDefault();
  const name = $("name").value.trim();
  localStorage.setItem("name", name);
  localStorage.setItem("hue", hue);
  $("refused").textContent = "";
  play(name, $("field").value.trim(), hue);
  document.activeElement.blur();
};
if (location.hash === "#play" && $("name").value) $("ask").requestSubmit();

// For the console and for tests.
globalThis.arena = {
  get you() { return you; },
  get field() { return field; },
  get frame() { return timeline.latest; },
  get own() { return own; },
};
