/**
 * Git's last words when it gave up on a request → is that the client's own mistake, and what to tell it? Pure; the
 * patterns are what upload-pack of git 2.30 to 2.51 says.
 */

/** Not git's protocol at all: anybody may send anything. */
const noProtocol =
  /^fatal: (?:git upload-pack: )?(?:protocol error|the remote end hung up|unknown capability|invalid command|unexpected |expected SHA1 object)/m;

/** A request that git understood and that cannot be answered: about what is asked for, not about the copy here. */
const mistakes = [
  /^fatal: (?:git upload-pack: )?(?:ambiguous deepen-not|deepen-not is not a ref): .{1,200}/m,
  /^fatal: (?:git upload-pack: )?deepen and deepen-since \(or deepen-not\) cannot be used together/m,
  /^fatal: (?:git upload-pack: )?(?:invalid deepen|invalid deepen-since|invalid shallow line): .{1,200}/im,
  /^fatal: (?:git upload-pack: )?(?:filter '.{1,100}' not supported|filtering capability not negotiated)/m,
  /^fatal: (?:invalid filter-spec|expected 'tree:<depth>'|expected something after combine:).{0,200}/m,
  /^fatal: (?:unknown object filter|must escape char in sub-filter-spec|sparse:path filters support).{0,200}/m,
  /^(?:fatal|error): no commits selected for shallow requests/m,
  /^fatal: (?:git upload-pack: )?(?:unknown ref|duplicate want-ref) .{1,200}/m,
  /^(?:fatal|error): (?:git upload-pack: )?(?:unable to access sparse blob|bad tree filter).{0,200}/m,
  /^fatal: (?:git upload-pack: )?(?:unknown object format|mismatched object format) .{1,200}/m,
];

/** @returns what to tell the client, `""` for what is no request of git's protocol; undefined: it is no mistake of its */
export function clientMistake(stderr: string): string | undefined {
  const found = mistakes.map((pattern) => pattern.exec(stderr)?.[0]).find((words) => words !== undefined);
  if (found !== undefined) return found.replace(/^(?:fatal|error): (?:git upload-pack: )?/, "");
  return noProtocol.test(stderr) ? "" : undefined;
}
