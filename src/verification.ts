/**
 * Switches that turn verification off, by which the old stack was made to work. They never pass through us in silence:
 * what we fetch is fetched without them, and what we start does not get them.
 */

type Environment = Readonly<Record<string, string | undefined>>;

export const verificationSwitches = [
  "GIT_SSL_NO_VERIFY",
  "HEX_UNSAFE_HTTPS",
  "HEX_UNSAFE_REGISTRY",
  "HEX_NO_VERIFY_REPO_ORIGIN",
  "NODE_TLS_REJECT_UNAUTHORIZED",
];

/** What `git -c http.sslVerify=false` gives to all that it starts; it would win over settings that we add. */
export const commandLineSettings = "GIT_CONFIG_PARAMETERS";

/** Those that are set. Git asks only whether there is one; Node's says `0`, Hex's say `1` or `true`. */
export function switchesIn(environment: Environment): string[] {
  const isOff = /sslverify/i.test(environment[commandLineSettings] ?? "");
  const set = verificationSwitches.filter((name) => {
    const value = environment[name];
    if (value === undefined || name === "GIT_SSL_NO_VERIFY") return value !== undefined;
    return name === "NODE_TLS_REJECT_UNAUTHORIZED" ? value === "0" : !["", "0", "false"].includes(value);
  });
  return [...set, ...(isOff ? [commandLineSettings] : [])];
}

/** `http.sslVerify`, or that of one URL. Names of git's settings have no case. */
export function isSslVerify(key: string): boolean {
  return /^http\.(?:.*\.)?sslverify$/i.test(key);
}
