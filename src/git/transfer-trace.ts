/**
 * What git's HTTP does, from the trace that it writes of it: whether the server answers, and whether it was sent a login.
 * Git's output tells the first only when all has come, and the second not at all. Of a proxy it tells nothing. Pure.
 * https://git-scm.com/docs/git#Documentation/git.txt-codeGITTRACECURLcode
 */

export interface TraceReader {
  /** Lines, or parts of them, as they come. */
  readonly read: (text: string) => void;
}

export interface TransferListener {
  /** Told of each answer of the server, and not of a proxy's to CONNECT. */
  readonly onStatus?: ((status: number) => void) | undefined;
  /** Told when the server is sent a login, or whatever else git does not send by itself, which may be one. */
  readonly onLogin?: (() => void) | undefined;
}

export function readTransferTrace({ onStatus, onLogin }: TransferListener): TraceReader {
  let rest = "";
  let isTunnel = false;
  return {
    read: (text) => {
      const lines = (rest + text).split("\n");
      // A line without end must not grow for ever.
      rest = (lines.pop() ?? "").slice(-1000);
      for (const line of lines) {
        const [, method] = /=> Send header: ([A-Z]+) /.exec(line) ?? [];
        if (method !== undefined) isTunnel = method === "CONNECT";
        const [, status] = /<= Recv header: HTTP\/[\d.]+ (\d{3})/.exec(line) ?? [];
        if (status !== undefined && !isTunnel) onStatus?.(Number(status));
        const [, header] = /=> Send header: ([A-Za-z][\w-]*):/.exec(line) ?? [];
        if (header !== undefined && !isTunnel && !ofGit.test(header)) onLogin?.();
      }
    },
  };
}

/** What git and curl send of their own; what a proxy is told is no business of the server's. */
const ofGit =
  /^(?:host|user-agent|accept(?:-\w+)?|git-protocol|pragma|cache-control|content-(?:type|length|encoding)|expect|transfer-encoding|connection|upgrade|http2-settings|te|range|proxy-[\w-]+)$/i;

/** Variables with which git writes it to that descriptor; without what is sent and received, and without secrets. */
export function traceVariables(descriptor: number): Record<string, string> {
  return { GIT_TRACE_CURL: String(descriptor), GIT_TRACE_CURL_NO_DATA: "1", GIT_TRACE_REDACT: "1" };
}
