/** Which Node does. Read by versions of it that are too old, so in their words. */
"use strict";
var engines = require("../package.json").engines;

/** @param {string} program who says so @returns {boolean} whether this one is too old, which is then told */
module.exports = function refuseOldNode(program) {
  var wanted = /(\d+)\.(\d+)/.exec(engines.node) || [];
  var running = process.versions.node.split(".");
  var major = Number(running[0]) - Number(wanted[1]);
  if (major > 0 || (major === 0 && Number(running[1]) >= Number(wanted[2]))) return false;
  process.stderr.write(
    program +
      ": this is Node " +
      process.versions.node +
      ", and " +
      wanted[0] +
      " or later is needed: https://nodejs.org\n",
  );
  return true;
};
