/** What happens just now. */
import type { Answered, Work } from "../facts/shape.ts";
import { Layout, type Frame } from "./layout.tsx";
import { Cell, Head, Mark, Row, Table, Time } from "./parts.tsx";
import { formatBytes } from "../text.ts";

export function LivePage({
  works,
  requests,
  frame,
}: {
  readonly works: readonly Work[];
  /** The newest last. */
  readonly requests: readonly Answered[];
  readonly frame: Frame;
}) {
  return (
    <Layout title="Live" room="/ui/live" frame={frame}>
      <h1>Live</h1>
      <p>
        <span data-live role="status">
          As of when this page was loaded; load it again to see what is new.
        </span>
      </p>
      <h2>Work</h2>
      <div data-works>
        <Works works={works} />
      </div>
      <h2>Requests</h2>
      <Table
        label="The last requests, the newest first"
        id="requests"
        columns={["When", "What", "Outcome", "#Size", "#Time"]}
      >
        {requests.toReversed().map((request, index) => (
          <RequestRow key={`${request.at} ${index}`} of={request} />
        ))}
      </Table>
    </Layout>
  );
}

export function RequestRow({ of }: { readonly of: Answered }) {
  return (
    <Row>
      <Cell>
        <Time iso={new Date(of.at).toISOString()} />
      </Cell>
      <Head>{`${of.method} ${of.what}`}</Head>
      <Cell>
        <Mark {...markOf(of.outcome)}>{of.outcome.replace("_", " ")}</Mark> <small>{String(of.status)}</small>
      </Cell>
      <Cell isNumber>{formatBytes(of.bytes)}</Cell>
      <Cell isNumber>{`${of.ms < 10 ? of.ms.toFixed(1) : String(Math.round(of.ms))} ms`}</Cell>
    </Row>
  );
}

function markOf(outcome: string): { is?: "good" | "warn" | "bad" } {
  if (["hit", "miss", "revalidated", "ok", "passed"].includes(outcome)) return { is: "good" };
  return { is: outcome === "failed" || outcome === "refused" ? "bad" : "warn" };
}

export function Works({ works }: { readonly works: readonly Work[] }) {
  if (works.length === 0) return <p class="soft">Nothing runs, and nothing ran since the server was started.</p>;
  return (
    <ul class="cards">
      {works.map((work) => (
        <li class="card" key={`${work.name} ${work.began}`}>
          <OneWork of={work} />
        </li>
      ))}
    </ul>
  );
}

function OneWork({ of }: { readonly of: Work }) {
  const isRunning = of.ended === null;
  return (
    <>
      <h3>
        {of.name}
        {isRunning ? (
          <Mark>running</Mark>
        ) : of.failed > 0 ? (
          <Mark is="bad">{of.failed} failed</Mark>
        ) : (
          <Mark is="good">done</Mark>
        )}
      </h3>
      {isRunning && of.total > 0 ? (
        <progress value={of.done} max={of.total} aria-label={`Progress of ${of.name}`} />
      ) : null}
      <p class="soft">
        {of.total > 0 ? `${of.done} of ${of.total}, ` : ""}
        {formatBytes(of.bytes)}; begun <Time iso={of.began} />
        {of.current === "" ? "" : `; ${of.current}`}
      </p>
      {of.notes.length === 0 ? null : (
        <ul>
          {of.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}
