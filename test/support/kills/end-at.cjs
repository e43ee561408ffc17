/**
 * Loaded into the program before everything else (`node --require`): it counts what the program does to files and what it
 * starts, and ends it by SIGKILL at one of these, as a power cut would. Half of a write is written before, and half of a folder
 * removed, since these are the two that have a middle.
 *
 *   END_AT=N        before the n-th; absent: never
 *   END_AFTER=MS    that many milliseconds after the n-th, when that is a child that is started
 *   END_REPORT=FILE how many there were and which of them were children, when it ends by itself: {"count": 7, "children": [3]}
 */
"use strict";
const fs = require("node:fs");
const childProcess = require("node:child_process");
const { syncBuiltinESMExports } = require("node:module");
const { join } = require("node:path");

const endAt = Number(process.env.END_AT ?? Infinity);
const endAfter = Number(process.env.END_AFTER ?? 0);
const report = process.env.END_REPORT;
const isWriting = (flags) => (typeof flags === "number" ? (flags & 3) !== 0 : /[wa+]/.test(String(flags ?? "r")));
const own = {
  writeFileSync: fs.writeFileSync,
  writeSync: fs.writeSync,
  readdirSync: fs.readdirSync,
  rmSync: fs.rmSync,
};
let count = 0;
const children = [];

function end() {
  process.kill(process.pid, "SIGKILL");
  // It comes at once, but not before this returns.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
}

/** @param half does half of it, where it has a middle */
function next(half) {
  count += 1;
  if (count !== endAt || endAfter > 0) return;
  try {
    half?.();
  } catch {
    // Then none of it is done.
  }
  end();
}

function halfOf(data) {
  const bytes = typeof data === "string" ? Buffer.from(data) : ArrayBuffer.isView(data) ? data : Buffer.alloc(0);
  return bytes.subarray(0, Math.floor(bytes.byteLength / 2));
}

const halves = {
  rm: (path) => {
    const names = own.readdirSync(path);
    for (const name of names.slice(0, Math.ceil(names.length / 2))) own.rmSync(join(path, name), { recursive: true });
  },
  writeFile: (path, data) => own.writeFileSync(path, halfOf(data)),
  write: (fd, data) => own.writeSync(fd, halfOf(data)),
};

const changing = [
  "rename",
  "unlink",
  "rmdir",
  "rm",
  "mkdir",
  "mkdtemp",
  "link",
  "symlink",
  "truncate",
  "ftruncate",
  "utimes",
];
changing.push("futimes", "chmod", "fchmod", "fsync", "fdatasync", "writeFile", "appendFile", "copyFile", "cp", "write");

function wrap(owner, name, base = name) {
  const original = owner[name];
  if (typeof original !== "function") return;
  const wrapped = function (...args) {
    // What goes to the terminal is nobody's file.
    if (!(base === "write" && (args[0] === 1 || args[0] === 2))) {
      next(halves[base] === undefined ? undefined : () => halves[base](...args));
    }
    return original.apply(this, args);
  };
  owner[name] = Object.assign(wrapped, original);
}

function wrapOpen(owner, name) {
  const original = owner[name];
  owner[name] = function (path, flags, ...rest) {
    if (isWriting(flags)) next();
    const opened = original.call(this, path, flags, ...rest);
    return name === "open" && owner === fs.promises && isWriting(flags) ? opened.then(wrapHandle) : opened;
  };
}

function wrapHandle(handle) {
  for (const name of [
    "write",
    "writev",
    "writeFile",
    "appendFile",
    "sync",
    "datasync",
    "truncate",
    "utimes",
    "chmod",
  ]) {
    const original = handle[name].bind(handle);
    const half = /^(?:write|writeFile|appendFile)$/.test(name)
      ? (data) => () => own.writeSync(handle.fd, halfOf(data))
      : () => undefined;
    handle[name] = (...args) => {
      next(half(args[0]));
      return original(...args);
    };
  }
  return handle;
}

for (const name of changing) {
  wrap(fs, name);
  wrap(fs, `${name}Sync`, name);
  wrap(fs.promises, name);
}
wrapOpen(fs, "open");
wrapOpen(fs, "openSync");
wrapOpen(fs.promises, "open");

const { spawn } = childProcess;
childProcess.spawn = function (...args) {
  next();
  const child = spawn.apply(this, args);
  children.push(count);
  if (count === endAt && endAfter > 0) setTimeout(end, endAfter);
  return child;
};
syncBuiltinESMExports();

if (report !== undefined) process.on("exit", () => own.writeFileSync(report, JSON.stringify({ count, children })));
