/**
 * Who signed the certificate that a server shows, for the error of one that is not trusted: a company's proxy that opens
 * TLS signs by an authority of its own, and its name says what to install. Nothing is sent over the connection.
 */
import { request } from "node:http";
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect, type PeerCertificate } from "node:tls";

const milliseconds = 5000;

/** @param proxy its URL, as the environment gives it @returns `Corp Root CA`; undefined where it cannot be found out */
export async function issuerOf(url: string, proxy: string | undefined): Promise<string | undefined> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const target = { host, port: Number(port || 443) };
  try {
    const socket = proxy === undefined ? connectPlain(target) : await tunnel(proxy, target);
    return await shownIssuer(socket, host);
  } catch {
    return undefined;
  }
}

async function tunnel(proxy: string, { host, port }: { host: string; port: number }): Promise<Socket> {
  const { hostname, port: proxyPort, protocol, username, password } = new URL(proxy);
  if (protocol !== "http:") throw new Error("only through a plain proxy");
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString("base64");
  return new Promise((resolve, reject) => {
    const asked = request({
      host: hostname,
      port: Number(proxyPort || 80),
      method: "CONNECT",
      path: `${host}:${port}`,
      headers: username === "" ? {} : { "proxy-authorization": `Basic ${login}` },
      timeout: milliseconds,
      agent: false,
    });
    asked.once("connect", (_answer, socket: Socket) => resolve(socket));
    asked.once("timeout", () => asked.destroy());
    asked.once("error", reject);
    asked.end();
  });
}

async function shownIssuer(socket: Socket, host: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    // Not verified, since this is about one that failed; it is looked at, and hung up on.
    const secure = connect({ socket, rejectUnauthorized: false, ...(isIP(host) === 0 ? { servername: host } : {}) });
    const stop = (result: () => void) => {
      result();
      secure.destroy();
      socket.destroy();
    };
    secure.setTimeout(milliseconds, () => stop(() => reject(new Error("no certificate came"))));
    secure.once("error", (error) => stop(() => reject(error)));
    secure.once("secureConnect", () => stop(() => resolve(nameOf(secure.getPeerCertificate(true)))));
  });
}

/** The last that it shows, and who signed that. */
function nameOf(certificate: PeerCertificate & { issuerCertificate?: PeerCertificate }): string | undefined {
  let last: typeof certificate = certificate;
  for (let depth = 0; depth < 8 && last.issuerCertificate !== undefined && last.issuerCertificate !== last; depth++) {
    last = last.issuerCertificate;
  }
  const { CN, O } = last.issuer as { readonly CN?: string | string[]; readonly O?: string | string[] };
  const name = [CN ?? O].flat()[0];
  return name === undefined || name === "" ? undefined : name;
}
