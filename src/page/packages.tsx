/** The packages that are held, and one of them. */
import type { HeldPackage, HeldRelease, PackageDetail } from "../facts/shape.ts";
import { docsPage, packagePage } from "../facts/pages.ts";
import { hexpm, shownPackage } from "../names/hex-repository.ts";
import { Layout, type Frame } from "./layout.tsx";
import { Cell, Head, Mark, Row, Search, Table, Time, count } from "./parts.tsx";
import { formatBytes } from "../text.ts";

export function PackagesPage({
  packages,
  total,
  search,
  frame,
}: {
  /** Those that were searched for. */
  readonly packages: readonly HeldPackage[];
  readonly total: number;
  readonly search: string;
  readonly frame: Frame;
}) {
  return (
    <Layout title="Packages" room="/ui/packages" frame={frame}>
      <h1>{count(total, "package")}</h1>
      <Search
        action="/ui/packages"
        value={search}
        of="packages"
        label="Search names, descriptions, licences, versions and who wants it"
      />
      {packages.length === 0 ? (
        <p class="soft">{total === 0 ? "None is held yet." : "None of those that are held has these words."}</p>
      ) : (
        <Table
          label="Packages that are held"
          id="packages"
          isLong
          columns={["Package", "Releases", "Licence", "Wanted by", "#Size"]}
        >
          {packages.map((each) => (
            <PackageRow key={`${each.repository}/${each.name}`} of={each} isShort={packages.length > mostDescribed} />
          ))}
        </Table>
      )}
    </Layout>
  );
}

// A thousand rows are to come in an instant over a slow line: what people write is most of them, and compresses least.
const mostDescribed = 300;
// In a row.
const mostReleases = 6;
const mostLetters = 100;
const mostThrough = 6;

/** @param isShort whether it is one of many */
function PackageRow({ of, isShort }: { readonly of: HeldPackage; readonly isShort: boolean }) {
  const { repository, name, description, releases, licenses, wanted_by: wanted, bytes } = of;
  return (
    <Row>
      <Head>
        <a href={packagePage(repository, name)}>{shownPackage(repository, name)}</a>
        {description === null || isShort ? null : <small>{shortened(description)}</small>}
      </Head>
      <Cell>
        {releases.slice(0, mostReleases).map((release, index) => (
          <span key={release.version}>
            {index === 0 ? "" : ", "}
            {release.version} <ReleaseMarks of={release} />
          </span>
        ))}
        {releases.length > mostReleases ? `, and ${releases.length - mostReleases} more` : ""}
      </Cell>
      <Cell>
        {licenses.map((license, index) => (
          <span class="nowrap" key={license}>
            {index === 0 ? "" : ", "}
            {license}
          </span>
        ))}
      </Cell>
      <Cell>
        {wanted.map(({ lock, through }, index) => (
          <span key={lock}>
            {index === 0 ? "" : ", "}
            {lock}
            {through.length === 0 ? null : <small>{throughText(through)}</small>}
          </span>
        ))}
      </Cell>
      <Cell isNumber>{formatBytes(bytes)}</Cell>
    </Row>
  );
}

function throughText(through: readonly string[]): string {
  const left = through.length - mostThrough;
  return `through ${through.slice(0, mostThrough).join(", ")}${left > 0 ? `, and ${left} more` : ""}`;
}

function shortened(text: string): string {
  const [line = ""] = text.trim().split(/\n/);
  return line.length <= mostLetters ? line : `${line.slice(0, mostLetters - 1).trimEnd()}…`;
}

function ReleaseMarks({ of }: { readonly of: HeldRelease }) {
  return (
    <>
      {of.bytes === null ? <Mark is="bad">missing</Mark> : null}
      {of.is_damaged && of.bytes !== null ? <Mark is="bad">damaged</Mark> : null}
      {of.retired === null ? null : <Mark is="warn">retired: {of.retired.reason}</Mark>}
      {of.advisories.length === 0 ? null : (
        <Mark is="warn">{count(of.advisories.length, "advisory", "advisories")}</Mark>
      )}
    </>
  );
}

export function PackagePage({ of, frame }: { readonly of: PackageDetail; readonly frame: Frame }) {
  const links = Object.entries(of.links).filter(([, url]) => /^https?:\/\//.test(url));
  return (
    <Layout title={of.name} room="/ui/packages" frame={frame}>
      <p>
        <a href="/ui/packages">Packages</a>
      </p>
      <h1>{shownPackage(of.repository, of.name)}</h1>
      {of.description === null ? null : <p>{of.description.trim()}</p>}
      <dl class="facts">
        {of.licenses.length === 0 ? null : <Fact name="Licence">{of.licenses.join(", ")}</Fact>}
        <Fact name="On the disk">{formatBytes(of.bytes)}</Fact>
        <Fact name="Vouched for by">{signature(of)}</Fact>
        {links.length === 0 ? null : (
          <Fact name="Links">
            {links.map(([name, url], index) => (
              <span key={name}>
                {index === 0 ? "" : ", "}
                <a href={url} rel="noreferrer nofollow">
                  {name}
                </a>
              </span>
            ))}
          </Fact>
        )}
      </dl>
      <h2>Who wants it</h2>
      {of.ways.length === 0 ? (
        <p class="soft">No known lock. The next prune takes it away.</p>
      ) : (
        <ul class="cards">
          {of.ways.map(({ lock, ways }) => (
            <li class="card" key={lock}>
              <h3>{lock}</h3>
              {ways.length === 0 ? (
                <p>its project itself</p>
              ) : (
                <ul class="ways">
                  {ways.map((way) => (
                    <li key={way.join(" ")}>{[...way, of.name].join(" → ")}</li>
                  ))}
                </ul>
              )}
            </li>
          ))}
        </ul>
      )}
      <h2>Releases</h2>
      {of.releases.map((release) => (
        <Release key={release.version} of={of} release={release} />
      ))}
      <h2>What was seen when</h2>
      {of.history.length === 0 ? (
        <p class="soft">Nothing was written down.</p>
      ) : (
        <Table
          label="What upstream signed, and since when that is known"
          columns={["Version", "Seen", "Checksum", "Signed by"]}
        >
          {of.history.map(({ version, seen, checksum, key }) => (
            <Row key={`${version} ${checksum}`}>
              <Head>{version}</Head>
              <Cell>
                <span class="nowrap">{seen}</span>
              </Cell>
              <Cell>
                <code>{checksum}</code>
              </Cell>
              <Cell>
                <code>{key}</code>
              </Cell>
            </Row>
          ))}
        </Table>
      )}
    </Layout>
  );
}

function signature({ upstream, repository }: PackageDetail) {
  if (upstream === null) return "a person: it was adopted, or put here by hand; no record of upstream's is here";
  return (
    <>
      {repository === hexpm ? "upstream" : repository}
      {upstream.key === null ? null : (
        <>
          , by the key <code>{upstream.key}</code>
        </>
      )}
      {upstream.checked === null ? null : (
        <>
          ; its record came <Time iso={upstream.checked} />
        </>
      )}
    </>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: preact.ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Release({ of, release }: { readonly of: PackageDetail; readonly release: HeldRelease }) {
  const detail = of.details.find(({ version }) => version === release.version);
  const isFirst = of.releases[0] === release;
  return (
    <details open={isFirst}>
      <summary>
        {release.version} <ReleaseMarks of={release} />
      </summary>
      <div>
        {release.retired?.message ? <p>Retired: {release.retired.message}</p> : null}
        {release.advisories.map(({ id, summary, url }) => (
          <p key={id}>
            {url === null ? (
              id
            ) : (
              <a href={url} rel="noreferrer nofollow">
                {id}
              </a>
            )}
            : {summary}
          </p>
        ))}
        <dl class="facts">
          {release.bytes === null ? null : <Fact name="Tarball">{formatBytes(release.bytes)}</Fact>}
          {release.published === null ? null : (
            <Fact name="Published">
              <Time iso={release.published} />
            </Fact>
          )}
          {release.locks.length === 0 ? null : <Fact name="Named by">{release.locks.join(", ")}</Fact>}
          {detail === undefined ? null : (
            <>
              <Fact name="Outer checksum">
                <code>{detail.outer_checksum ?? "none"}</code>
              </Fact>
              <Fact name="Inner checksum">
                <code>{detail.inner_checksum}</code>
              </Fact>
              {detail.elixir === null ? null : <Fact name="Elixir">{detail.elixir}</Fact>}
              {detail.build_tools.length === 0 ? null : <Fact name="Built by">{detail.build_tools.join(", ")}</Fact>}
              <Fact name="Requires">{requirements(detail.requirements)}</Fact>
            </>
          )}
          {release.has_docs ? (
            <Fact name="Documentation">
              <a href={docsPage(of.repository, of.name, release.version)}>read it here</a>
            </Fact>
          ) : null}
        </dl>
      </div>
    </details>
  );
}

function requirements(all: PackageDetail["details"][number]["requirements"]) {
  if (all.length === 0) return "nothing";
  return all.map(({ package: name, repository, requirement, is_optional: isOptional, is_held: isHeld }, index) => (
    <span key={name}>
      {index === 0 ? "" : ", "}
      {isHeld ? <a href={packagePage(repository, name)}>{name}</a> : name} {requirement}
      {isOptional ? " (optional)" : isHeld ? "" : " (not held)"}
    </span>
  ));
}
