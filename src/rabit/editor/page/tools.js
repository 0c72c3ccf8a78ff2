// The tools that change a map of ids. Each is told of pointers in pixels of the map.
//
// A desk is what they work on: {map, id, size, connected} and {changing(), changed(), redraw(),
// choose(id), say(text)}; changing() is called while a change goes on, changed() at its end.

import { paintStroke, polygonRegion, regionAt } from "./raster.js";

const CLOSE = 9; // Pixels of the screen within which a polygon's corner is hit.
const TWICE_MS = 400;

export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Tool {
  constructor(desk) {
    this.desk = desk;
    this.tip = null;
    this.keyed = false; // whether keys have put the tip where it is
  }

  down() {}
  move() {}
  up() {}
  cancel() {}
  finish() {}

  // Forgets what it has begun, of a map that is put away.
  reset() {}

  hover(point, event) {
    this.tip = event.pointerType === "touch" ? null : point;
    this.keyed = false;
    this.desk.redraw();
  }

  leave() {
    this.tip = null;
    this.desk.redraw();
  }

  // Arrows move the tip, Enter works there: all that is painted can be painted without a pointer.
  key(event) {
    const { map } = this.desk;
    const step = ARROWS[event.key];
    if (step) {
      const by = event.shiftKey ? 10 : 1;
      const from = this.tip ?? { x: Math.floor(map.width / 2) + 0.5, y: Math.floor(map.height / 2) + 0.5 };
      this.tip = {
        x: Math.min(map.width - 0.5, Math.max(0.5, from.x + by * step[0])),
        y: Math.min(map.height - 0.5, Math.max(0.5, from.y + by * step[1])),
      };
      this.keyed = true;
      this.desk.tellSize(this.tip);
      this.desk.redraw();
    } else if (event.key === "Enter" && this.keyed) {
      this.down(this.tip, event);
      this.up(this.tip, event);
    } else {
      return false;
    }
    return true;
  }

  draw(context, unit) {
    this.unit = unit;
    if (!this.tip || !(this.reach || this.keyed)) return;
    const radius = Math.max(this.reach / 2, 3 * unit);
    outline(context, unit, () => context.arc(this.tip.x, this.tip.y, radius, 0, 2 * Math.PI));
  }

  // Size of the ring around the tip in pixels of the map; without one only keys show where it is.
  get reach() { return 0; }
}

export class Brush extends Tool {
  constructor(desk, erases) {
    super(desk);
    this.erases = erases;
    this.at = null;
  }

  get reach() { return this.desk.size; }

  down(point) {
    this.desk.map.begin();
    this.at = point;
    this.move(point);
  }

  move(point) {
    if (!this.at) return;
    const { map, id, size } = this.desk;
    const value = this.erases ? (i) => map.original[i] : () => id;
    map.show(paintStroke(map.ids, map.width, map.height, this.at, point, size, value));
    this.at = point;
    this.tip = point;
    this.desk.changing();
  }

  up(point, event) {
    if (this.at && event.pointerType === "touch") this.tip = null;
    this.finish();
  }

  // The stroke ends where it is: also when another tool is taken up or another map comes meanwhile.
  finish() {
    if (!this.at) return;
    this.at = null;
    this.desk.map.commit();
    this.desk.changed();
  }

  reset() { this.at = null; }

  cancel() {
    if (!this.at) return;
    this.at = null;
    this.desk.map.revert();
    this.desk.changed();
  }
}

export class Fill extends Tool {
  down(point) {
    const { map, id, connected } = this.desk;
    if (map.at(point) === null) return;
    map.begin();
    const region = regionAt(map.ids, map.width, map.height, Math.floor(point.x), Math.floor(point.y), connected);
    paintMask(map, region, id);
    if (map.commit()) this.desk.changed();
  }
}

export class Pick extends Tool {
  down(point) {
    const id = this.desk.map.at(point);
    if (id !== null) this.desk.choose(id);
  }
}

// Clicks set corners, a drag draws freely; the first corner, a double click or Enter closes it.
export class Polygon extends Tool {
  constructor(desk) {
    super(desk);
    this.points = [];
    this.free = false;
    this.clicked = -Infinity;
  }

  down(point, event) {
    if (this.points.length > 2 && this.near(this.points[0], point)) return this.close();
    const quick = event.timeStamp - this.clicked < TWICE_MS;
    this.clicked = event.timeStamp;
    if (quick && this.points.length > 2 && this.near(this.points.at(-1), point)) return this.close();
    this.points.push(point);
    this.start = { point, length: this.points.length };
    this.tip = point;
    this.desk.redraw();
  }

  move(point) {
    if (!this.start) return;
    const last = this.points.at(-1);
    const far = Math.hypot(point.x - this.start.point.x, point.y - this.start.point.y) > 4 * this.unit;
    this.free ||= far;
    if (this.free && Math.hypot(point.x - last.x, point.y - last.y) > this.unit) this.points.push(point);
    this.tip = point;
    this.desk.redraw();
  }

  up() {
    const closes = this.free && this.start?.length === 1;
    this.start = null;
    this.free = false;
    if (closes) this.close();
  }

  near(one, other) { return Math.hypot(one.x - other.x, one.y - other.y) < CLOSE * this.unit; }

  // Two fingers move the view: what they touched first is no corner.
  cancel() {
    if (this.start) this.points.length = this.start.length - 1;
    this.start = null;
    this.free = false;
    this.desk.redraw();
  }

  finish() { this.close(); }

  reset() { Object.assign(this, { points: [], start: null, free: false }); }

  key(event) {
    const placed = event.key === " " && this.keyed;
    if (placed) this.points.push(this.tip);
    else if (ARROWS[event.key]) return super.key(event);
    else if (!this.points.length) return false;
    else if (event.key === "Enter") this.close();
    else if (event.key === "Escape") this.points = [];
    else if (event.key === "Backspace") this.points.pop();
    else return false;
    this.desk.redraw();
    return true;
  }

  close() {
    const { map, id } = this.desk;
    const points = this.points;
    this.points = [];
    this.start = null;
    this.desk.redraw();
    if (points.length < 3) return;
    map.begin();
    paintMask(map, polygonRegion(map.width, map.height, points), id);
    if (map.commit()) this.desk.changed();
  }

  draw(context, unit) {
    super.draw(context, unit);
    if (!this.points.length) return;
    outline(context, unit, () => {
      this.points.forEach((point, i) => (i ? context.lineTo(point.x, point.y) : context.moveTo(point.x, point.y)));
      if (this.tip) context.lineTo(this.tip.x, this.tip.y);
    });
    handle(context, unit, this.points[0]);
  }
}

// Drags joints; a click on an empty place puts the selected joint there if it is missing.
export class Joints extends Tool {
  down(point) {
    const pose = this.desk.map;
    const hit = pose.near(point, 14 * this.unit);
    if (hit === null && pose.joints[pose.selected]) return;
    pose.begin();
    this.held = hit ?? pose.selected;
    this.desk.choose(this.held);
    if (hit === null) this.move(point);
  }

  move(point) {
    if (this.held === undefined) return;
    this.desk.map.put(this.held, point);
    this.desk.changing();
  }

  up() {
    if (this.held === undefined) return;
    this.held = undefined;
    this.desk.map.commit();
    this.desk.changed();
  }

  finish() { this.up(); }

  reset() { this.held = undefined; }

  cancel() {
    if (this.held === undefined) return;
    this.held = undefined;
    this.desk.map.revert();
    this.desk.changed();
  }

  key(event) {
    const pose = this.desk.map;
    const joint = pose.joints[pose.selected];
    const step = ARROWS[event.key];
    if (!joint || !(step || event.key === "Delete")) return false;
    const by = event.shiftKey ? 10 : 1;
    pose.begin();
    pose.put(pose.selected, step ? { x: joint[0] + 0.5 + by * step[0], y: joint[1] + 0.5 + by * step[1] } : null);
    if (pose.commit()) this.desk.changed();
    return true;
  }

  hover() {}

  draw(context, unit) { this.unit = unit; }
}

function paintMask(map, { mask, box }, id) {
  for (let row = box.top; row < box.bottom; row += 1) {
    for (let i = row * map.width + box.left; i < row * map.width + box.right; i += 1) {
      if (mask[i]) map.ids[i] = id;
    }
  }
  map.show(box);
}

// A line that is seen on every colour: dark with a light one inside.
export function outline(context, unit, path) {
  for (const [width, colour] of [[3, "rgb(0 0 0 / 65%)"], [1.25, "#fff"]]) {
    context.beginPath();
    path();
    context.lineWidth = width * unit;
    context.strokeStyle = colour;
    context.stroke();
  }
}

export function handle(context, unit, point, round = true) {
  const size = 5 * unit;
  context.beginPath();
  if (round) context.arc(point.x, point.y, size, 0, 2 * Math.PI);
  else context.rect(point.x - size, point.y - size, 2 * size, 2 * size);
  context.fillStyle = "#fff";
  context.fill();
  context.lineWidth = 1.5 * unit;
  context.strokeStyle = "rgb(20 24 34)";
  context.stroke();
}
