// What the player's hands do.
const axes = {
  ArrowLeft: [-1, 0], KeyA: [-1, 0], ArrowRight: [1, 0], KeyD: [1, 0],
  ArrowUp: [0, -1], KeyW: [0, -1], ArrowDown: [0, 1], KeyS: [0, 1],
};

export class Input {
  #held = new Set();
  #pointer = null; // where it points, once it has moved: keys alone aim where they fly
  #pressed = false;
  #finger = null; // where a finger was put down: it flies towards where it is drawn
  #aim = -Math.PI / 2;

  constructor(canvas) {
    addEventListener("keydown", (e) => {
      if (e.target.tagName === "INPUT" || !(e.code in axes || e.code === "Space")) return;
      this.#held.add(e.code);
      if (e.code in axes) this.#pointer = this.#pressed ? this.#pointer : null;
      e.preventDefault();
    });
    addEventListener("keyup", (e) => this.#held.delete(e.code));
    addEventListener("blur", () => { this.#held.clear(); this.#pressed = false; this.#finger = null; });
    canvas.addEventListener("pointermove", (e) => {
      if (e.movementX || e.movementY) this.#pointer = [e.clientX, e.clientY];
    });
    canvas.addEventListener("pointerdown", (e) => {
      this.#pointer = [e.clientX, e.clientY];
      this.#pressed = true;
      if (e.pointerType === "touch") this.#finger = this.#pointer;
    });
    const up = () => { this.#pressed = false; this.#finger = null; };
    addEventListener("pointerup", up);
    addEventListener("pointercancel", up);
  }

  // steer is what the player wants; ship is where its ship is on the screen.
  steer(ship) {
    let x = 0, y = 0;
    for (const code of this.#held) {
      const axis = axes[code];
      if (axis) { x += axis[0]; y += axis[1]; }
    }
    if (this.#finger) {
      x = (this.#pointer[0] - this.#finger[0]) / 60;
      y = (this.#pointer[1] - this.#finger[1]) / 60;
    }
    x = Math.max(-1, Math.min(1, x));
    y = Math.max(-1, Math.min(1, y));
    if (this.#pointer && !this.#finger && ship) {
      this.#aim = Math.atan2(this.#pointer[1] - ship[1], this.#pointer[0] - ship[0]);
    } else if (x || y) {
      this.#aim = Math.atan2(y, x);
    }
    return { x, y, aim: +this.#aim.toFixed(2), fire: this.#held.has("Space") || this.#pressed };
  }
}
