/** Which URLs' paths may become paths of files. */

// Neither hidden nor a step up, and nothing that a file system or a URL treats specially.
const pathSegment = /^(?![.])[A-Za-z0-9._~+@=,()-]{1,255}$/;

/** `owner/repo/releases/download/v1/tool` */
export function isFilePath(path: string): boolean {
  return path.split("/").every((segment) => pathSegment.test(segment));
}

/** `github.com/owner/repo/releases/download/v1/tool` */
export function isMirroredFile(key: string): boolean {
  return key.includes("/") && isFilePath(key);
}
