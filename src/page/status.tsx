/** Will it serve me? */
import type { LockCoverage, MirrorOverview } from "../facts/shape.ts";
import { Layout, type Frame } from "./layout.tsx";
import { Mark, Time, count } from "./parts.tsx";
import { formatBytes } from "../text.ts";

export function StatusPage({
  seen,
  state,
  frame,
}: {
  readonly seen: MirrorOverview;
  /** What a script compares, to know whether the page still holds. */
  readonly state: string;
  readonly frame: Frame;
}) {
  const { holds } = seen;
  return (
    <Layout title="Status" room="/" frame={frame}>
      <Verdict seen={seen} state={state} />
      {seen.problems.length === 0 ? null : (
        <section aria-labelledby="problems">
          <h2 id="problems">What is wrong</h2>
          <div class="card">
            <ul>
              {seen.problems.map((problem) => (
                <li key={problem}>{problem}</li>
              ))}
            </ul>
          </div>
        </section>
      )}
      <section aria-labelledby="locks">
        <h2 id="locks">Locks</h2>
        {seen.locks.length === 0 ? (
          <p class="soft">
            No lock is known yet. Run <code>mirror-server sync</code> where one lies, or let <code>exec</code> or{" "}
            <code>serve --watch</code> make one known: then this page tells whether all that it names is here.
          </p>
        ) : (
          <ul class="cards">
            {seen.locks.map((lock) => (
              <li class="card" key={lock.name}>
                <Lock lock={lock} />
              </li>
            ))}
          </ul>
        )}
      </section>
      <section aria-labelledby="held">
        <h2 id="held">What is held</h2>
        <dl class="numbers">
          <Number name="packages" of={holds.packages.toLocaleString("en")} />
          <Number name="releases" of={holds.releases.toLocaleString("en")} />
          <Number name="git repositories" of={holds.repositories.toLocaleString("en")} />
          <Number name="installers" of={holds.installers.toLocaleString("en")} />
          <Number name="other files" of={holds.files.toLocaleString("en")} />
          <Number name="on the disk" of={formatBytes(holds.bytes)} />
        </dl>
      </section>
      <section aria-labelledby="upstreams">
        <h2 id="upstreams">Upstreams</h2>
        {seen.upstreams.length === 0 ? (
          <p class="soft">None is known: what is here was put here by hand.</p>
        ) : (
          <ul class="cards">
            {seen.upstreams.map((upstream) => (
              <li class="card" key={`${upstream.host} ${upstream.repository ?? ""}`}>
                <h3>
                  {upstream.host}
                  {upstream.away === null ? (
                    <Mark is="good">nothing wrong</Mark>
                  ) : (
                    <Mark is="bad">does not answer</Mark>
                  )}
                </h3>
                {upstream.away === null ? null : (
                  <p>
                    Since <Time iso={upstream.away.since} />: {upstream.away.reason}
                  </p>
                )}
                {upstream.key === null ? null : (
                  <p class="soft">
                    Records of {upstream.repository} are trusted by <code>{upstream.key}</code>
                  </p>
                )}
              </li>
            ))}
          </ul>
        )}
      </section>
    </Layout>
  );
}

function Number({ name, of }: { readonly name: string; readonly of: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{of}</dd>
    </div>
  );
}

function Verdict({ seen, state }: { readonly seen: MirrorOverview; readonly state: string }) {
  const lacking = seen.locks.filter((lock) => !lock.is_covered);
  const isBad = seen.status === "unhealthy";
  const isWarned = isBad || seen.status === "degraded" || lacking.length > 0;
  const look = isBad ? "hero bad" : isWarned ? "hero warn" : "hero";
  return (
    <div class={look} data-state={state}>
      <span class="sign" aria-hidden="true">
        {isBad ? "×" : isWarned ? "!" : "✓"}
      </span>
      <div>
        <h1>{sentence(seen, lacking)}</h1>
        <p>
          {seen.mode === "pulling"
            ? "It fetches what it is asked for and does not hold"
            : "It is offline: it serves what it holds, and asks nobody"}{" "}
          <span class="soft">({reasonOf(seen)}).</span>{" "}
          {seen.last_sync === null ? (
            "Never synced as a whole on this machine."
          ) : (
            <>
              Last synced <Time iso={seen.last_sync} />.
            </>
          )}
        </p>
      </div>
    </div>
  );
}

/** What a pulling mirror tells of itself is how that is ended. */
function reasonOf({ mode, mode_reason: reason }: MirrorOverview): string {
  return mode === "offline" ? `since ${reason}` : reason.replace("keeps it from that", "would keep it from that");
}

function sentence(seen: MirrorOverview, lacking: readonly LockCoverage[]): string {
  if (seen.status === "unhealthy") return "No: what it holds cannot be served as it is.";
  const [first] = lacking;
  if (first !== undefined) {
    const what = lacking.length === 1 ? `what ${first.name} names` : `what ${count(lacking.length, "lock")} name`;
    return `Not all of ${what} is here.`;
  }
  if (seen.locks.length === 0) {
    return seen.status === "ok" ? "It serves what it holds." : "It serves what it holds, with gaps.";
  }
  const whose =
    seen.locks.length === 1
      ? `that ${seen.locks[0]?.name ?? ""} names`
      : `that ${count(seen.locks.length, "lock")} name`;
  return seen.status === "ok" ? `Yes: all ${whose} is here.` : `All ${whose} is here, and something is wrong.`;
}

const looks = { missing: "bad", damaged: "bad", skipped: "warn", advisory: "warn", retired: "warn" } as const;
// On the card; the API tells all.
const most = 30;

function Lock({ lock }: { readonly lock: LockCoverage }) {
  return (
    <>
      <h3>
        {lock.name === "+packages" ? "asked for by --package" : lock.name}
        {lock.is_covered ? <Mark is="good">covered</Mark> : <Mark is="bad">not covered</Mark>}
      </h3>
      <p class="soft">
        {count(lock.packages, "package")}, {count(lock.git, "git repository", "git repositories")}; so since{" "}
        <Time iso={lock.since} />
      </p>
      {lock.lacks.length === 0 ? null : (
        <ul>
          {lock.lacks.slice(0, most).map((lack) => (
            <li key={`${lack.item} ${lack.state} ${lack.reason}`}>
              <Mark is={looks[lack.state]}>{lack.state}</Mark>{" "}
              {lack.page === null ? lack.item : <a href={lack.page}>{lack.item}</a>}
              <span class="soft"> {lack.reason}</span>
            </li>
          ))}
          {lock.lacks.length > most ? <li class="soft">and {lock.lacks.length - most} more</li> : null}
        </ul>
      )}
    </>
  );
}
