/** Who asks: logins of files that htpasswd writes, and what a test has written down of its own. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const hashes = new Map();

/** @param file `user:$apr1$SALT$HASH` a line @returns the user; undefined for a header that is no login of one of them */
export function userOf(header, file) {
  const [, encoded = ""] = /^Basic\s+(\S+)$/i.exec(header ?? "") ?? [];
  const [, user, password] = /^(.*?):(.*)$/s.exec(Buffer.from(encoded, "base64").toString()) ?? [];
  const line = linesOf(file).find((each) => user !== undefined && each.startsWith(`${user}:`));
  const expected = line?.slice(user.length + 1).trim();
  return expected !== undefined && hashOf(password, expected.split("$")[2] ?? "") === expected ? user : undefined;
}

function hashOf(password, salt) {
  const key = `${salt} ${password}`;
  if (!hashes.has(key)) {
    const { stdout } = spawnSync("openssl", ["passwd", "-apr1", "-salt", salt, "-stdin"], { input: password });
    hashes.set(key, stdout.toString().trim());
  }
  return hashes.get(key);
}

/**
 * By `custom-auth.valid` (`id=1 creds=HEADER`) and `custom-auth.challenge` (`id=1 status=200`, `id=1 response=HEADER`, and
 * `id=default` for everybody else). @returns the status, and lines of a head as they were written down
 */
export function challengeOf(root, header) {
  const isValid = (line) => header !== undefined && line.includes(`creds=${header}`);
  const valid = linesOf(`${root}/custom-auth.valid`).find(isValid);
  const id = /^id=([a-z0-9-]+) /.exec(valid ?? "")?.[1] ?? "default";
  const own = linesOf(`${root}/custom-auth.challenge`).filter((line) => line.startsWith(`id=${id}`));
  const all = (pattern) => own.map((line) => pattern.exec(line)?.[1]).filter((found) => found !== undefined);
  return { status: id === "default" ? 401 : Number(all(/status=(\d{3})/)[0]), lines: all(/response=([^]*)$/) };
}

function linesOf(file) {
  return existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
}
