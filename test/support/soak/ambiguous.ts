/**
 * Requests of which it can be read in two ways where they end, or whom they are for: who stands in front of a server and reads them
 * otherwise would let a second request through. RFC 9112, 6.1 and 6.3
 */

export interface Ambiguous {
  readonly what: string;
  readonly request: string;
}

/** What is hidden behind the first: it must not be answered as a request of its own. */
export const hidden = "GET /hidden-behind HTTP/1.1\r\nHost: localhost\r\n\r\n";

const post = (headers: string, body: string) =>
  `POST /names HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n${headers}\r\n\r\n${body}`;

export const ambiguousRequests: readonly Ambiguous[] = [
  ["both lengths", post(`Content-Length: 4\r\nTransfer-Encoding: chunked`, `0\r\n\r\n${hidden}`)],
  ["two lengths", post(`Content-Length: 0\r\nContent-Length: ${hidden.length}`, hidden)],
  ["a list of lengths", post(`Content-Length: 0, ${hidden.length}`, hidden)],
  ["a length with a sign", post(`Content-Length: +0`, hidden)],
  ["a length in hex", post(`Content-Length: 0x0`, hidden)],
  ["a space before the colon", post(`Content-Length : 0`, hidden)],
  ["a folded line", post(`Transfer-Encoding:\r\n chunked`, `0\r\n\r\n${hidden}`)],
  ["chunked, twice", post(`Transfer-Encoding: chunked, chunked`, `0\r\n\r\n${hidden}`)],
  ["chunked, not last", post(`Transfer-Encoding: chunked, identity`, `0\r\n\r\n${hidden}`)],
  ["an encoding that is none", post(`Transfer-Encoding: xchunked`, `0\r\n\r\n${hidden}`)],
  ["a tab before chunked", post(`Transfer-Encoding:\tchunked\r\nContent-Length: 0`, `0\r\n\r\n${hidden}`)],
  ["a bare line feed in the header", `POST /names HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n${hidden}`],
  ["a bare carriage return", post(`X: a\rContent-Length: 0`, hidden)],
  ["a NUL in a header", post(`X: a\0b\r\nContent-Length: 0`, hidden)],
  ["a chunk's size that overflows", post(`Transfer-Encoding: chunked`, `10000000000000000\r\n${hidden}`)],
  ["a chunk's size with a sign", post(`Transfer-Encoding: chunked`, `-0\r\n\r\n${hidden}`)],
  ["a chunk that is longer than it says", post(`Transfer-Encoding: chunked`, `1\r\nab\r\n0\r\n\r\n${hidden}`)],
  ["a chunk that ends in a line feed", post(`Transfer-Encoding: chunked`, `1\na\n0\n\n${hidden}`)],
  ["two hosts", `GET /names HTTP/1.1\r\nHost: localhost\r\nHost: github.com\r\n\r\n`],
  ["no host", `GET /names HTTP/1.1\r\n\r\n`],
  ["a method that is none", `G\tET /names HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ["a version that is none", `GET /names HTTP/9.9\r\nHost: localhost\r\n\r\n`],
  ["another protocol's beginning", `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${hidden}`],
].map(([what = "", request = ""]) => ({ what, request }));
