/** What the server's process and its workers say to each other, besides requests. */
import type { StoreFolders } from "../store/paths.ts";
import type { ListenOptions } from "./listen.ts";
import type { Taken } from "./traffic.ts";
import type { Tunnelled } from "./tunnels.ts";

export type ToWorker =
  | { readonly kind: "serve"; readonly work: Work }
  | { readonly kind: "certificate"; readonly certificate: Certificate }
  | { readonly kind: "tunnels"; readonly tunnelled: Tunnelled }
  | { readonly kind: "close"; readonly graceSeconds: number };

export type FromWorker =
  /** It hears now; what was said before is lost. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening"; readonly port: number; readonly tlsPort: number | undefined }
  /** What it has answered from memory since it last said so. */
  | { readonly kind: "traffic"; readonly taken: Taken }
  /** It will not come to listening. */
  | { readonly kind: "failed"; readonly message: string };

export interface Work {
  readonly listen: Omit<ListenOptions, "onError">;
  /** Where the server's process answers what a worker cannot. */
  readonly socketPath: string;
  readonly folders: StoreFolders;
  /** The server's own folder of what it signs for the time that upstream answers. */
  readonly views: string;
  readonly trustedProxies: readonly string[];
  readonly logLevel: string;
}

interface Certificate {
  readonly key: string;
  readonly cert: string;
}
