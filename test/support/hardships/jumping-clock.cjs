/**
 * Loaded into the program before everything else (`node --require`): its wall clock jumps, by up to twenty years to either side,
 * several times a second. What measures time by a clock that nobody sets sees nothing of it, and times of files are the system's.
 *
 *   CLOCK_SEED=N    which jumps
 */
"use strict";
const Real = Date;
const span = 20 * 365 * 24 * 3600 * 1000;
let state = Number(process.env.CLOCK_SEED ?? 1) || 1;
let offset = 0;

function jump() {
  // xorshift32
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  offset = ((state >>> 0) / 2 ** 31 - 1) * span;
}

const now = () => Math.round(Real.now() + offset);
jump();
setInterval(jump, 50).unref();

globalThis.Date = new Proxy(Real, {
  apply: () => new Real(now()).toString(),
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
});
