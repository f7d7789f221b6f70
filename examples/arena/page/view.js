// The view draws the field. It shows all of it, as large as the window allows.
const TAU = 2 * Math.PI;

export class View {
  #canvas; #ctx; #sky; #scale = 1; #left = 0; #top = 0; #width = 1600; #height = 1080;
  #sparks = []; #rings = []; #texts = []; #trails = new Map(); #glows = new Map(); #shake = 0; #dpr = 1;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#ctx = canvas.getContext("2d", { alpha: false });
    addEventListener("resize", () => this.#fit());
    this.#fit();
  }

  size(width, height) {
    if (width === this.#width && height === this.#height) return;
    [this.#width, this.#height] = [width, height];
    this.#fit();
  }

  onScreen(x, y) { return [this.#left + x * this.#scale, this.#top + y * this.#scale]; }

  #fit() {
    const dpr = this.#dpr = Math.min(devicePixelRatio || 1, 2), w = innerWidth, h = innerHeight;
    this.#canvas.width = w * dpr;
    this.#canvas.height = h * dpr;
    const side = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--side")), edge = side ? 16 : 0;
    this.#scale = Math.max(Math.min((w - side - edge) / this.#width, (h - 2 * edge) / this.#height), 0.05); // a window may have no size yet
    this.#left = edge + (w - side - edge - this.#width * this.#scale) / 2;
    this.#top = (h - this.#height * this.#scale) / 2;
    this.#sky = paintSky(w, h, dpr, this.#left, this.#top, this.#width * this.#scale, this.#height * this.#scale, this.#scale);
  }

  // happen makes an event of a frame visible; own says that it is about the player's own ship.
  happen([kind, x, y, hue], own) {
    switch (kind) {
      case "seed":
        this.#burst(x, y, 96, 8, 90, 0.5);
        this.#texts.push({ x, y, text: "+1", hue, age: 0 });
        break;
      case "shot":
        break;
      case "hit":
        this.#burst(x, y, hue, 14, 240, 0.45);
        this.#rings.push({ x, y, hue, age: 0, life: 0.3, size: 46 });
        if (own) this.#shake = 7;
        break;
      case "boom":
        this.#burst(x, y, hue, 46, 380, 0.9);
        this.#burst(x, y, 40, 24, 220, 0.7);
        this.#rings.push({ x, y, hue, age: 0, life: 0.6, size: 150 });
        this.#shake = own ? 18 : Math.max(this.#shake, 4);
        break;
    }
  }

  #burst(x, y, hue, n, speed, life) {
    for (let i = 0; i < n; i++) {
      const angle = Math.random() * TAU, v = speed * (0.25 + Math.random());
      this.#sparks.push({ x, y, vx: Math.cos(angle) * v, vy: Math.sin(angle) * v, hue, age: 0, life: life * (0.5 + Math.random()) });
    }
    if (this.#sparks.length > 700) this.#sparks.splice(0, this.#sparks.length - 700);
  }

  draw(scene, who, own, seconds, now) {
    const c = this.#ctx;
    c.setTransform(1, 0, 0, 1, 0, 0);
    c.globalCompositeOperation = "source-over";
    c.drawImage(this.#sky, 0, 0);
    this.#shake *= Math.exp(-seconds * 9);
    const dx = (Math.random() - 0.5) * this.#shake, dy = (Math.random() - 0.5) * this.#shake;
    const s = this.#scale * this.#dpr;
    c.setTransform(s, 0, 0, s, (this.#left + dx) * this.#dpr, (this.#top + dy) * this.#dpr);
    if (!scene) return;
    c.globalCompositeOperation = "lighter";
    for (const seed of scene.seeds) this.#seed(seed, now);
    for (const { row } of scene.ships) this.#trail(row, who.get(row[0]), seconds);
    for (const bolt of scene.bolts) this.#bolt(bolt);
    this.#drawSparks(seconds);
    c.globalCompositeOperation = "source-over";
    for (const { row } of scene.ships) this.#ship(row, who.get(row[0]), row[0] === own, now);
    this.#drawTexts(seconds);
  }

  // glow is a soft light of a colour, painted once.
  #glow(hue) {
    let g = this.#glows.get(hue);
    if (!g) {
      g = document.createElement("canvas");
      g.width = g.height = 128;
      const c = g.getContext("2d"), light = c.createRadialGradient(64, 64, 0, 64, 64, 64);
      light.addColorStop(0, `hsla(${hue}, 95%, 72%, .9)`);
      light.addColorStop(0.25, `hsla(${hue}, 90%, 58%, .38)`);
      light.addColorStop(1, `hsla(${hue}, 90%, 50%, 0)`);
      c.fillStyle = light;
      c.fillRect(0, 0, 128, 128);
      this.#glows.set(hue, g);
    }
    return g;
  }

  #shine(x, y, hue, radius, alpha) {
    this.#ctx.globalAlpha = alpha;
    this.#ctx.drawImage(this.#glow(hue), x - radius, y - radius, 2 * radius, 2 * radius);
    this.#ctx.globalAlpha = 1;
  }

  #seed([id, x, y], now) {
    const c = this.#ctx, beat = 1 + 0.18 * Math.sin(now / 320 + id * 1.7);
    this.#shine(x, y, 78, 30 * beat, 0.75);
    c.fillStyle = "hsl(70, 95%, 86%)";
    c.save();
    c.translate(x, y);
    c.rotate(now / 900 + id);
    c.beginPath();
    for (let i = 0; i < 8; i++) {
      const r = i % 2 ? 2.6 : 7 * beat;
      c.lineTo(Math.cos(i * TAU / 8) * r, Math.sin(i * TAU / 8) * r);
    }
    c.fill();
    c.restore();
  }

  #bolt({ row: [, x, y, hue], dx, dy }) {
    const c = this.#ctx, length = Math.hypot(dx, dy) || 1, tail = 30;
    this.#shine(x, y, hue, 26, 0.9);
    c.lineCap = "round";
    for (const [width, colour] of [[7, `hsla(${hue}, 100%, 60%, .5)`], [2.6, `hsl(${hue}, 100%, 92%)`]]) {
      c.strokeStyle = colour;
      c.lineWidth = width;
      c.beginPath();
      c.moveTo(x, y);
      c.lineTo(x - dx / length * tail, y - dy / length * tail);
      c.stroke();
    }
  }

  #trail([id, x, y, , energy], ship, seconds) {
    if (!ship) return;
    let trail = this.#trails.get(id);
    if (!trail) this.#trails.set(id, trail = []);
    const last = trail[0];
    if (!energy || last && Math.hypot(last.x - x, last.y - y) > 120) trail.length = 0;
    if (energy) trail.unshift({ x, y, age: 0 });
    for (const p of trail) p.age += seconds;
    while (trail.length && trail.at(-1).age > 0.55) trail.pop();
    const c = this.#ctx;
    c.lineCap = "round";
    for (let i = 1; i < trail.length; i++) {
      const a = trail[i - 1], b = trail[i], left = 1 - b.age / 0.55;
      c.strokeStyle = `hsla(${ship.hue}, 90%, 60%, ${0.4 * left * left})`;
      c.lineWidth = 1 + 13 * left;
      c.beginPath();
      c.moveTo(a.x, a.y);
      c.lineTo(b.x, b.y);
      c.stroke();
    }
  }

  #ship([, x, y, angle, energy, , shield], ship, own, now) {
    if (!ship || !energy) return;
    const c = this.#ctx, hue = ship.hue;
    c.globalCompositeOperation = "lighter";
    this.#shine(x, y, hue, own ? 74 : 60, own ? 0.75 : 0.5);
    c.globalCompositeOperation = "source-over";
    c.save();
    c.translate(x, y);
    c.rotate(angle * Math.PI / 180);
    leaf(c);
    const fill = c.createLinearGradient(-24, 0, 28, 0);
    fill.addColorStop(0, `hsl(${hue}, 70%, 26%)`);
    fill.addColorStop(1, `hsl(${hue}, 88%, 62%)`);
    c.fillStyle = fill;
    c.fill();
    c.lineWidth = own ? 3 : 2;
    c.strokeStyle = own ? "#fff" : `hsl(${hue}, 95%, 80%)`;
    c.stroke();
    c.lineWidth = 1.4;
    c.strokeStyle = `hsla(${hue}, 95%, 88%, .75)`;
    c.beginPath();
    c.moveTo(-22, 0);
    c.lineTo(18, 0);
    for (const at of [-10, 0, 9]) for (const side of [-1, 1]) {
      c.moveTo(at - 5, 0);
      c.lineTo(at + 2, side * 7);
    }
    c.stroke();
    c.restore();
    if (shield) {
      c.strokeStyle = `hsla(190, 100%, 80%, ${0.35 + 0.25 * Math.sin(now / 90)})`;
      c.lineWidth = 2.5;
      c.beginPath();
      c.arc(x, y, 33, 0, TAU);
      c.stroke();
    }
    for (let i = 0; i < 3; i++) { // energy
      const from = Math.PI / 2 + (1 - i) * 0.5;
      c.strokeStyle = i < energy ? `hsl(${hue}, 90%, 70%)` : "rgba(255, 255, 255, .14)";
      c.lineWidth = 4;
      c.lineCap = "round";
      c.beginPath();
      c.arc(x, y, 40, from - 0.19, from + 0.19);
      c.stroke();
    }
    c.font = `${own ? 700 : 500} 17px ui-rounded, "Segoe UI", system-ui, sans-serif`;
    c.textAlign = "center";
    c.fillStyle = ship.drone ? "rgba(190, 215, 205, .55)" : own ? "#fff" : `hsl(${hue}, 90%, 85%)`;
    c.fillText(ship.name, x, y + 66);
  }

  #drawSparks(seconds) {
    const c = this.#ctx;
    c.lineCap = "round";
    this.#sparks = this.#sparks.filter((p) => (p.age += seconds) < p.life);
    for (const p of this.#sparks) {
      p.x += p.vx * seconds;
      p.y += p.vy * seconds;
      const slow = Math.exp(-seconds * 2.4);
      p.vx *= slow;
      p.vy *= slow;
      const left = 1 - p.age / p.life;
      c.strokeStyle = `hsla(${p.hue}, 95%, ${55 + 35 * left}%, ${left})`;
      c.lineWidth = 1 + 3 * left;
      c.beginPath();
      c.moveTo(p.x, p.y);
      c.lineTo(p.x - p.vx * 0.035, p.y - p.vy * 0.035);
      c.stroke();
    }
    this.#rings = this.#rings.filter((r) => (r.age += seconds) < r.life);
    for (const r of this.#rings) {
      const part = r.age / r.life;
      c.strokeStyle = `hsla(${r.hue}, 95%, 75%, ${1 - part})`;
      c.lineWidth = 1 + 7 * (1 - part);
      c.beginPath();
      c.arc(r.x, r.y, r.size * Math.sqrt(part), 0, TAU);
      c.stroke();
    }
  }

  #drawTexts(seconds) {
    const c = this.#ctx;
    this.#texts = this.#texts.filter((t) => (t.age += seconds) < 0.9);
    c.font = "700 20px ui-rounded, system-ui, sans-serif";
    c.textAlign = "center";
    for (const t of this.#texts) {
      c.fillStyle = `hsla(${t.hue}, 95%, 85%, ${1 - t.age / 0.9})`;
      c.fillText(t.text, t.x, t.y - 20 - t.age * 46);
    }
  }
}

// leaf is the way around a ship that flies to the right.
function leaf(c) {
  c.beginPath();
  c.moveTo(30, 0);
  c.bezierCurveTo(12, -19, -12, -17, -26, 0);
  c.bezierCurveTo(-12, 17, 12, 19, 30, 0);
  c.closePath();
}

// paintSky paints what never moves.
function paintSky(w, h, dpr, left, top, width, height, scale) {
  const sky = document.createElement("canvas");
  sky.width = w * dpr;
  sky.height = h * dpr;
  const c = sky.getContext("2d");
  c.scale(dpr, dpr);
  const ground = c.createLinearGradient(0, 0, 0, h);
  ground.addColorStop(0, "#07121f");
  ground.addColorStop(1, "#041310");
  c.fillStyle = ground;
  c.fillRect(0, 0, w, h);
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (const [x, y, r, colour] of [[0.2, 0.25, 0.55, "23, 86, 96"], [0.78, 0.3, 0.5, "70, 38, 98"], [0.6, 0.9, 0.6, "20, 84, 58"], [0.05, 0.95, 0.4, "98, 52, 30"]]) {
    const size = r * Math.max(w, h), cloud = c.createRadialGradient(x * w, y * h, 0, x * w, y * h, size);
    cloud.addColorStop(0, `rgba(${colour}, .42)`);
    cloud.addColorStop(1, `rgba(${colour}, 0)`);
    c.fillStyle = cloud;
    c.fillRect(0, 0, w, h);
  }
  for (let i = 0; i < 260; i++) {
    c.fillStyle = `rgba(214, 240, 230, ${0.08 + 0.5 * random() ** 3})`;
    const r = 0.4 + 1.1 * random();
    c.beginPath();
    c.arc(random() * w, random() * h, r, 0, TAU);
    c.fill();
  }
  c.strokeStyle = "rgba(140, 220, 195, .045)";
  c.lineWidth = 1;
  c.beginPath();
  for (let x = 0; x <= width + 1; x += 100 * scale) { c.moveTo(left + x, top); c.lineTo(left + x, top + height); }
  for (let y = 0; y <= height + 1; y += 100 * scale) { c.moveTo(left, top + y); c.lineTo(left + width, top + y); }
  c.stroke();
  c.fillStyle = "rgba(0, 4, 6, .5)"; // what is no field
  c.beginPath();
  c.rect(0, 0, w, h);
  c.rect(left, top, width, height);
  c.fill("evenodd");
  c.strokeStyle = "rgba(127, 224, 168, .35)";
  c.lineWidth = 2;
  c.shadowColor = "rgba(127, 224, 168, .9)";
  c.shadowBlur = 22;
  c.strokeRect(left + 1, top + 1, width - 2, height - 2);
  return sky;
}
