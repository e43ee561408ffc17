/**
 * What git's HTTP does, from the trace that it writes of it: whether the server answers. Git's output tells that only when
 * all has come. Of a proxy's answer to CONNECT it tells nothing. Pure.
 * https://git-scm.com/docs/git#Documentation/git.txt-codeGITTRACECURLcode
 */

export interface TraceReader {
  /** Lines, or parts of them, as they come. */
  readonly read: (text: string) => void;
}

/** @param onStatus told of each answer of the server, and not of a proxy's to CONNECT */
export function readTransferTrace(onStatus: (status: number) => void): TraceReader {
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
        if (status !== undefined && !isTunnel) onStatus(Number(status));
      }
    },
  };
}

/** Variables with which git writes it to that descriptor; without what is sent and received, and without secrets. */
export function traceVariables(descriptor: number): Record<string, string> {
  return { GIT_TRACE_CURL: String(descriptor), GIT_TRACE_CURL_NO_DATA: "1", GIT_TRACE_REDACT: "1" };
}
