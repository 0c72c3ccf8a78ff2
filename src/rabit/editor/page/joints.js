// A condition that is a pose: 18 joints in OpenPose's order, places in pixels whose centres are
// whole numbers.

import { History } from "./history.js";

export const NIGHT = "#14161d"; // what skeletons are drawn on

const JOINTS = 18;

// The 18 joints in the order of OpenPose's body model with 25.
const OF_25 = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

export class Pose {
  constructor(width, height, joints, names, limbs) {
    Object.assign(this, { width, height, joints, names, limbs });
    this.revision = 0;
    this.before = null;
    this.selected = 0;
    this.history = new History((step, forward) => {
      const state = forward ? step.after : step.before;
      Object.assign(this, { width: state.width, height: state.height, joints: state.joints.slice() });
      this.revision += 1;
    });
  }

  get state() { return { width: this.width, height: this.height, joints: this.joints.slice() }; }
  get editing() { return this.before !== null; }

  begin() {
    if (!this.before) this.before = this.state;
  }

  commit() {
    const changed = JSON.stringify(this.before) !== JSON.stringify(this.state);
    if (changed) this.history.push({ before: this.before, after: this.state });
    this.before = null;
    return changed;
  }

  revert() {
    if (!this.before) return;
    Object.assign(this, this.before);
    this.before = null;
    this.revision += 1;
  }

  // Puts a joint at a point of the canvas, where pixel centres lie at halves; null removes it.
  put(joint, point) {
    this.joints[joint] = point && [
      Math.min(this.width, Math.max(0, point.x)) - 0.5,
      Math.min(this.height, Math.max(0, point.y)) - 0.5,
    ].map((value) => Math.round(value * 4) / 4);
    this.revision += 1;
  }

  replace(width, height, joints) {
    this.begin();
    Object.assign(this, { width, height, joints });
    this.revision += 1;
    this.commit();
  }

  // The joint at most `reach` pixels away that is nearest to a point; null where there is none.
  near(point, reach) {
    let [best, least] = [null, reach];
    this.joints.forEach((joint, index) => {
      const away = joint ? Math.hypot(joint[0] + 0.5 - point.x, joint[1] + 0.5 - point.y) : Infinity;
      if (away <= least) [best, least] = [index, away];
    });
    return best;
  }

  colour(joint) { return `hsl(${joint * 20} 85% 58%)`; }

  // Draws the skeleton on a canvas whose units are the pose's pixels; `unit` is one pixel of the screen.
  draw(context, unit) {
    context.lineCap = "round";
    this.limbs.forEach(([a, b], limb) => {
      const [from, to] = [this.joints[a], this.joints[b]];
      if (!from || !to) return;
      context.strokeStyle = this.colour(limb);
      context.lineWidth = 4 * unit;
      context.beginPath();
      context.moveTo(from[0] + 0.5, from[1] + 0.5);
      context.lineTo(to[0] + 0.5, to[1] + 0.5);
      context.stroke();
    });
    this.joints.forEach((joint, index) => {
      if (!joint) return;
      context.beginPath();
      context.arc(joint[0] + 0.5, joint[1] + 0.5, (index === this.selected ? 8 : 5) * unit, 0, 2 * Math.PI);
      context.fillStyle = this.colour(index);
      context.strokeStyle = "#fff";
      context.lineWidth = (index === this.selected ? 2.5 : 1.25) * unit;
      context.fill();
      context.stroke();
    });
  }

  async condition() {
    return { joints: this.joints, size: [this.height, this.width] };
  }
}

// Reads a pose from JSON: this editor's own form, or OpenPose's with 18 or 25 joints.
export function readPose(document, size, limits) {
  const pose = poseOf(document, size);
  const { joints } = pose;
  const whole = (side) => Number.isInteger(side) && side >= 1 && side <= limits.side;
  if (!whole(pose.width) || !whole(pose.height) || pose.width * pose.height > limits.pixels) {
    throw new Error(`its size is ${JSON.stringify(document.size)}; expected [height, width] of at most ${limits.pixels} pixels`);
  }
  const near = (value) => Number.isFinite(value) && Math.abs(value) <= 2 * limits.side;
  const place = (joint) => joint === null || (Array.isArray(joint) && joint.length === 2 && joint.every(near));
  if (joints.length !== JOINTS || !joints.every(place)) {
    throw new Error(`expected ${JOINTS} joints, each [x, y] in pixels or null for one that is not seen`);
  }
  if (joints.every((joint) => joint === null)) throw new Error("no joint in it is seen");
  return pose;
}

function poseOf(document, size) {
  if (Array.isArray(document?.joints)) {
    const given = document.size ?? size;
    const [height, width] = Array.isArray(given) ? given : [];
    return { width, height, joints: document.joints };
  }
  const flat = document?.people?.[0]?.pose_keypoints_2d ?? document?.people?.[0]?.pose_keypoints;
  if (!Array.isArray(flat) || (flat.length !== 54 && flat.length !== 75)) {
    throw new Error("expected OpenPose's JSON: people, the first with 18 or 25 joints of x, y and confidence");
  }
  const order = flat.length === 75 ? OF_25 : Array.from({ length: 18 }, (_, joint) => joint);
  const joints = order.map((at) => (flat[3 * at + 2] > 0 ? [flat[3 * at], flat[3 * at + 1]] : null));
  return { width: size[1], height: size[0], joints };
}

// A standing person that fits a picture, to start from.
const STANDING = [
  [50, 14], [50, 25], [41, 25], [37, 40], [35, 54], [59, 25], [63, 40], [65, 54], [44, 54], [43, 73],
  [42, 92], [56, 54], [57, 73], [58, 92], [48, 12], [52, 12], [45, 13], [55, 13],
];

export function standing(width, height) {
  const side = Math.min(width, height) / 100;
  const [left, top] = [(width - 100 * side) / 2, (height - 100 * side) / 2];
  return STANDING.map(([x, y]) => [left + x * side, top + y * side].map((v) => Math.round(v * 4) / 4));
}
