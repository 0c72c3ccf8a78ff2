// Moving, scaling and turning a region of a map.

import { drawRegion, filledFromNearest, place, regionAt } from "./raster.js";
import { ARROWS, Tool, handle, outline } from "./tools.js";

const REACH = 14; // Pixels of the screen within which a handle is hit.
const STEM = 26; // How far above the region the handle for turning lies.
const STILL = { x: 0, y: 0, scale: 1, angle: 0 };

export class Move extends Tool {
  constructor(desk) {
    super(desk);
    this.region = null;
    this.change = STILL;
    this.unit = 1;
  }

  get active() { return this.region !== null; }

  // Takes the region at a point; the map below it is filled from what is around.
  take(point) {
    const { map, connected } = this.desk;
    if (map.at(point) === null) return;
    map.begin();
    const { width, height } = map;
    this.region = regionAt(map.ids, width, height, Math.floor(point.x), Math.floor(point.y), connected);
    this.below = filledFromNearest(map.ids, width, height, this.region.mask);
    const { left, top, right, bottom } = this.region.box;
    this.middle = { x: (left + right) / 2, y: (top + bottom) / 2 };
    this.change = STILL;
    this.desk.taken(this.region.id);
  }

  down(point) {
    if (!this.active) {
      this.take(point);
      if (!this.active) return;
    }
    const hit = this.hit(point);
    if (!hit) {
      this.finish();
      return this.down(point);
    }
    this.held = { hit, from: point, change: this.change };
  }

  move(point) {
    if (!this.held) return;
    const { hit, from, change } = this.held;
    const middle = { x: this.middle.x + change.x, y: this.middle.y + change.y };
    const [was, is] = [from, point].map((p) => ({
      angle: Math.atan2(p.y - middle.y, p.x - middle.x),
      away: Math.hypot(p.x - middle.x, p.y - middle.y),
    }));
    if (hit === "inside") {
      // Whole pixels keep a region's edge as it is.
      this.set({ ...change, x: change.x + Math.round(point.x - from.x), y: change.y + Math.round(point.y - from.y) });
    } else if (hit === "turn") {
      this.set({ ...change, angle: change.angle + is.angle - was.angle });
    } else {
      this.set({ ...change, scale: change.scale * (is.away / Math.max(was.away, 0.5)) });
    }
  }

  up() { this.held = null; }

  cancel() { this.held = null; }

  // Shows the region at another place; `change` may hold x, y, scale and angle.
  set(change) {
    const { map } = this.desk;
    const scale = Math.min(20, Math.max(0.05, change.scale ?? this.change.scale));
    this.change = { ...this.change, ...change, scale };
    map.ids.set(this.below);
    drawRegion(map.ids, map.width, map.height, this.region, this.middle, this.change);
    map.show();
    this.desk.taken(this.region.id);
    this.desk.changing();
  }

  // Leaves the region where it is now.
  finish() {
    if (!this.active) return;
    this.region = null;
    this.held = null;
    this.desk.taken(null);
    this.desk.map.commit();
    this.desk.changed();
    this.desk.redraw();
  }

  // Puts everything back.
  dismiss() {
    if (!this.active) return;
    this.region = null;
    this.held = null;
    this.desk.map.revert();
    this.desk.taken(null);
    this.desk.changed();
  }

  // Takes the region away; what is around it fills its place.
  remove() {
    this.desk.map.ids.set(this.below);
    this.desk.map.show();
    this.finish();
  }

  // Forgets what it holds, of a map that is put away.
  reset() {
    this.region = null;
    this.held = null;
  }

  key(event) {
    if (!this.active) return super.key(event);
    const step = ARROWS[event.key];
    const by = event.shiftKey ? 10 : 1;
    if (step) this.set({ x: this.change.x + by * step[0], y: this.change.y + by * step[1] });
    else if (event.key === "Enter") this.finish();
    else if (event.key === "Escape") this.dismiss();
    else if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else return false;
    return true;
  }

  // The corners of the region's box where it is now, and the handle for turning.
  corners() {
    const { left, top, right, bottom } = this.region.box;
    return [[left, top], [right, top], [right, bottom], [left, bottom]]
      .map(([x, y]) => place({ x, y }, this.middle, this.change));
  }

  turner() {
    const [a, b] = this.corners();
    const side = Math.hypot(b.x - a.x, b.y - a.y) || 1;
    const stem = STEM * this.unit;
    return { x: (a.x + b.x) / 2 + ((b.y - a.y) / side) * stem, y: (a.y + b.y) / 2 - ((b.x - a.x) / side) * stem };
  }

  hit(point) {
    const near = (p) => Math.hypot(p.x - point.x, p.y - point.y) < REACH * this.unit;
    if (near(this.turner())) return "turn";
    const corners = this.corners();
    const { left, top, right, bottom } = this.region.box;
    // A region of a few pixels is moved, not scaled, when its middle is taken.
    const middle = place(this.middle, this.middle, this.change);
    const nearest = Math.min(...corners.map((p) => Math.hypot(p.x - point.x, p.y - point.y)));
    const inner = Math.hypot(middle.x - point.x, middle.y - point.y);
    if (corners.some(near) && nearest < inner) return "corner";
    const { x, y, scale, angle } = this.change;
    const back = place({ x: point.x - x, y: point.y - y }, this.middle, { x: 0, y: 0, scale: 1 / scale, angle: -angle });
    const slack = 4 * this.unit;
    const inside = back.x > left - slack && back.x < right + slack && back.y > top - slack && back.y < bottom + slack;
    return inside ? "inside" : null;
  }

  draw(context, unit) {
    if (!this.active) return super.draw(context, unit);
    this.unit = unit;
    const corners = this.corners();
    const turner = this.turner();
    const top = { x: (corners[0].x + corners[1].x) / 2, y: (corners[0].y + corners[1].y) / 2 };
    outline(context, unit, () => {
      corners.forEach((p, i) => (i ? context.lineTo(p.x, p.y) : context.moveTo(p.x, p.y)));
      context.closePath();
      context.moveTo(top.x, top.y);
      context.lineTo(turner.x, turner.y);
    });
    for (const corner of corners) handle(context, unit, corner, false);
    handle(context, unit, turner);
  }
}
