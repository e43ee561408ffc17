/** How clients are pointed at this very server, as the browser sees it. */
import type { MirrorOverview } from "../facts/shape.ts";
import { Layout, type Frame } from "./layout.tsx";
import { Mark, Snippet } from "./parts.tsx";

/** One way to set up a client. */
export interface ClientSnippet {
  readonly id: string;
  readonly title: string;
  /** What it is for, and what to do with it: a sentence. */
  readonly about: string;
  readonly text: string;
}

export function ClientsPage({
  url,
  snippets,
  fingerprints,
  isGuarded,
  hasAuthority,
  frame,
}: {
  readonly url: string;
  readonly snippets: readonly ClientSnippet[];
  readonly fingerprints: MirrorOverview["fingerprints"];
  readonly isGuarded: boolean;
  /** Whether the certificate is of an authority of its own. */
  readonly hasAuthority: boolean;
  readonly frame: Frame;
}) {
  return (
    <Layout title="Set up a client" room="/ui/clients" frame={frame}>
      <h1>Set up a client</h1>
      <p>
        For this server as you reach it, at <code>{url}</code>. Nothing of what is below turns a verification off.
      </p>
      {isGuarded ? (
        <p>
          <Mark is="warn">needs a token</Mark> This mirror is guarded: what is below is not enough. Save your token in a
          file, and use the first way with <code>--require-token FILE</code>.
        </p>
      ) : null}
      <h2>Whom to trust</h2>
      <p>Compare these with what whoever runs the server tells you, by another way than this page.</p>
      <dl class="facts">
        <dt>
          <a href="/public_key">The registry's key</a>
        </dt>
        <dd>
          <code data-fingerprint="registry">{fingerprints.registry ?? "none yet"}</code>
        </dd>
        <dt>{hasAuthority ? <a href="/ca.pem">The authority of HTTPS</a> : "The authority of HTTPS"}</dt>
        <dd>
          <code data-fingerprint="ca">{hasAuthority ? (fingerprints.ca ?? "none") : "none of its own"}</code>
        </dd>
      </dl>
      {snippets.map(({ id, title, about, text }) => (
        <section key={id} aria-labelledby={id}>
          <h2 id={id}>{title}</h2>
          <p>{about}</p>
          <Snippet text={text} label={title} />
        </section>
      ))}
    </Layout>
  );
}
