import { once } from "node:events";
import { connect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { expect, test } from "vitest";
import { listen } from "../../src/serve/listen.ts";
import { makeAuthority, makeServerCertificate } from "../../src/tls/certificates.ts";

test("a client that keeps a tunnel of which it asks nothing holds up no end", async () => {
  const authority = makeAuthority(["github.com"], new Date());
  const certificate = makeServerCertificate(authority, ["github.com"], new Date());
  const listening = await listen(() => (_request, response) => response.end("served"), {
    host: "127.0.0.1",
    port: 0,
    tls: { port: 0, certificate },
    stalledSeconds: 3600,
    onError: () => undefined,
  });
  listening.setTunnelled({ hosts: ["github.com"], uncovered: [] });
  const socket = connect(listening.port, "127.0.0.1");
  socket.write("CONNECT github.com:443 HTTP/1.1\r\nHost: github.com\r\n\r\n");
  await once(socket, "data");
  const inner = tlsConnect({ socket, servername: "github.com", ca: authority.cert });
  inner.write("GET / HTTP/1.1\r\nHost: github.com\r\n\r\n");
  expect(String(await once(inner, "data"))).toContain("served");
  const ended = once(inner, "close");
  await listening.close(3600);
  await ended;
});
