// Frames come twenty times in a second, late or early. The timeline shows the
// field as it was a moment ago, between two frames that have come.
const TICK = 50, DELAY = 110; // ms

export class Timeline {
  #frames = [];
  #offset = null; // of the field's clock, which counts ticks

  add(frame, now) {
    const last = this.latest;
    if (last && frame.t <= last.t) this.#frames = []; // it goes on from an earlier moment
    const offset = now - frame.t * TICK;
    const jumps = this.#offset === null || Math.abs(offset - this.#offset) > 400 || !this.#frames.length;
    // The fastest frame tells the time; slower ones move it little by little.
    this.#offset = jumps ? offset : offset < this.#offset ? offset : this.#offset + (offset - this.#offset) * 0.02;
    this.#frames.push(frame);
    if (this.#frames.length > 12) this.#frames.shift();
  }

  get latest() { return this.#frames.at(-1); }

  // at is the field at a moment: rows of ships, seeds and bolts.
  at(now) {
    const frames = this.#frames;
    if (!frames.length) return null;
    const t = (now - this.#offset - DELAY) / TICK;
    let i = frames.length - 1;
    while (i > 0 && frames[i].t > t) i--;
    const from = frames[i], to = frames[i + 1] ?? from;
    const part = to === from ? 0 : Math.max(0, Math.min(1, (t - from.t) / (to.t - from.t)));
    return {
      ships: between(from.s, to.s, part, true),
      seeds: from.e,
      bolts: between(from.b, to.b, part, false),
    };
  }
}

function between(from, to, part, turns) {
  const next = new Map(to.map((row) => [row[0], row]));
  return from.map((row) => {
    const after = next.get(row[0]);
    if (!after || Math.hypot(after[1] - row[1], after[2] - row[2]) > 150) return { row, dx: 0, dy: 0 };
    const mixed = row.slice();
    mixed[1] += (after[1] - row[1]) * part;
    mixed[2] += (after[2] - row[2]) * part;
    if (turns) mixed[3] += ((after[3] - row[3] + 540) % 360 - 180) * part;
    return { row: mixed, dx: after[1] - row[1], dy: after[2] - row[2] };
  });
}
