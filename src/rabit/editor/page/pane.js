// A canvas that shows a picture, zoomed and moved together with the other panes of its view.

const MOST = 64; // Pixels of the screen that a pixel of the picture may get.

// What is looked at: the middle, in shares of the picture, and how much larger than fitting.
export class View {
  constructor() {
    this.panes = [];
    this.fit();
  }

  fit() {
    Object.assign(this, { x: 0.5, y: 0.5, zoom: 1 });
    this.redraw();
  }

  redraw() {
    for (const pane of this.panes) pane.redraw();
  }
}

export class Pane {
  // draw(context, unit) draws in pixels of the picture; unit is the size of one pixel of the screen.
  // hands: {down, move, up, cancel, hover, leave}, each told (point, event) in pixels of the picture.
  constructor(canvas, view, { size, draw, hands }) {
    Object.assign(this, { canvas, view, size, draw, hands });
    this.pointers = new Map();
    this.mode = null; // "hand": pointers move the view; "tool": the one pointer works
    this.space = false;
    this.asked = false;
    view.panes.push(this);
    new ResizeObserver(() => this.redraw()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.up(event, true));
    canvas.addEventListener("pointerleave", (event) => this.hands.leave?.(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  // Scale from pixels of the picture to those of the page, and where the picture's corner lies.
  frame() {
    const { width, height } = this.size();
    const [across, down] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const margin = 8;
    const fit = Math.max(0.01, Math.min((across - 2 * margin) / width, (down - 2 * margin) / height));
    const scale = Math.min(fit * this.view.zoom, Math.max(fit, MOST));
    return { scale, left: across / 2 - this.view.x * width * scale, top: down / 2 - this.view.y * height * scale };
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const { scale, left, top } = this.frame();
    return { x: (event.clientX - box.left - left) / scale, y: (event.clientY - box.top - top) / scale };
  }

  redraw() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.drawNow();
    });
  }

  drawNow() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight].map((n) => Math.round(n * ratio));
    if (!width || !height || !this.size()) return;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.canvas.dataset.zoom = this.view.zoom.toFixed(3);
    const context = this.canvas.getContext("2d");
    const { scale, left, top } = this.frame();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale * ratio, 0, 0, scale * ratio, left * ratio, top * ratio);
    this.draw(context, 1 / scale, scale);
  }

  // Zooms so that the point of the picture under a place of the page stays there.
  zoomAt(factor, clientX, clientY) {
    const event = { clientX, clientY };
    const before = this.point(event);
    this.view.zoom = Math.min(64, Math.max(0.5, this.view.zoom * factor));
    const after = this.point(event);
    this.shift(before.x - after.x, before.y - after.y);
  }

  zoom(factor) {
    const box = this.canvas.getBoundingClientRect();
    this.zoomAt(factor, box.left + box.width / 2, box.top + box.height / 2);
  }

  shift(x, y) {
    const { width, height } = this.size();
    this.view.x = Math.min(1, Math.max(0, this.view.x + x / width));
    this.view.y = Math.min(1, Math.max(0, this.view.y + y / height));
    this.view.redraw();
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    this.zoomAt(Math.exp(-event.deltaY * lines * 0.0015), event.clientX, event.clientY);
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.canvas.focus({ preventScroll: true });
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 1 && event.button === 0 && !this.space) {
      this.mode = "tool";
      this.hands.down?.(this.point(event), event);
    } else {
      if (this.mode === "tool") this.hands.cancel?.();
      this.mode = "hand";
    }
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return this.hands.hover?.(this.point(event), event);
    if (this.mode === "hand") {
      this.drag(before, event);
    } else if (this.mode === "tool") {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const each of all.length ? all : [event]) this.hands.move?.(this.point(each), event);
    }
    this.pointers.set(event.pointerId, event);
  }

  up(event, cancelled = false) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.mode === "tool") {
      if (cancelled) this.hands.cancel?.();
      else this.hands.up?.(this.point(event), event);
    }
    if (!this.pointers.size) this.mode = null;
  }

  // One pointer moves the picture; two also zoom it about the place between them.
  drag(before, event) {
    const { scale } = this.frame();
    const others = [...this.pointers.values()].filter((other) => other.pointerId !== event.pointerId);
    const share = others.length ? 0.5 : 1;
    this.shift(
      (-share * (event.clientX - before.clientX)) / scale,
      (-share * (event.clientY - before.clientY)) / scale,
    );
    if (!others.length) return;
    const [other] = others;
    const span = (at) => Math.hypot(at.clientX - other.clientX, at.clientY - other.clientY) || 1;
    const middle = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
    this.zoomAt(span(event) / span(before), ...middle);
  }
}
