#!/usr/bin/env node
/**
 * The command `mirror-server`: turns a Node away that is too old, then loads the program. So it is written for old ones:
 * what they do not know ends in an error of syntax, which says nothing to those who only wanted a mirror.
 */
"use strict";
var path = require("path");
var fs = require("fs");
var refuseOldNode = require("./node-version.cjs");

var root = path.dirname(__dirname);
var program = path.join(root, "dist", "main.js");

if (refuseOldNode("mirror-server")) process.exit(1);
// A clone in which nothing was built yet, as `npx mirror-server` finds it. What is installed has no scripts.
if (!fs.existsSync(program)) {
  var built = require("child_process").spawnSync(
    process.execPath,
    [path.join(root, "scripts", "bootstrap.js"), "build"],
    { stdio: ["ignore", 2, 2] },
  );
  if (built.status !== 0) process.exit(1);
}
require(program);
