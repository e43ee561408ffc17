/** The git repositories that are held, and one of them. */
import { gitPage } from "../facts/pages.ts";
import type { GitRepository, GitRepositoryDetail } from "../facts/shape.ts";
import { Layout, type Frame } from "./layout.tsx";
import { Cell, Head, Mark, Row, Search, Table, Time, count } from "./parts.tsx";
import { formatBytes } from "../text.ts";

export function GitPage({
  repositories,
  total,
  search,
  frame,
}: {
  /** Those that were searched for. */
  readonly repositories: readonly GitRepository[];
  readonly total: number;
  readonly search: string;
  readonly frame: Frame;
}) {
  return (
    <Layout title="Git" room="/ui/git" frame={frame}>
      <h1>{count(total, "git repository", "git repositories")}</h1>
      <Search action="/ui/git" value={search} of="git" label="Search hosts, owners, names, apps and commits" />
      {repositories.length === 0 ? (
        <p class="soft">{total === 0 ? "None is held yet." : "None of those that are held is called so."}</p>
      ) : (
        <Table
          label="Git repositories that are held"
          id="git"
          isLong
          columns={["Repository", "Locked commits", "Refs", "#Size"]}
        >
          {repositories.map((each) => (
            <Row key={each.url}>
              <Head>
                <a href={gitPage(each.host, each.path)}>{each.path}</a>
                <small>{each.host}</small>
              </Head>
              <Cell>
                {each.locked.map(({ lock, app, revision }) => (
                  <span key={`${lock} ${app}`}>
                    <code>{revision.slice(0, 12)}</code> <small>{`${app} of ${lock}`}</small>
                  </span>
                ))}
              </Cell>
              <Cell>
                {refsOf(each)} <Marks of={each} />
              </Cell>
              <Cell isNumber>{formatBytes(each.bytes)}</Cell>
            </Row>
          ))}
        </Table>
      )}
    </Layout>
  );
}

function refsOf({ branches, tags }: GitRepository): string {
  if (branches === null || tags === null) return "in tables";
  return `${count(branches, "branch", "branches")}, ${count(tags, "tag")}`;
}

function Marks({ of }: { readonly of: GitRepository }) {
  return (
    <>
      {of.is_shallow ? <Mark is="warn">shallow</Mark> : null}
      {of.problems.length === 0 ? null : <Mark is="bad">something is wrong</Mark>}
    </>
  );
}

export function RepositoryPage({ of, frame }: { readonly of: GitRepositoryDetail; readonly frame: Frame }) {
  return (
    <Layout title={of.path} room="/ui/git" frame={frame}>
      <p>
        <a href="/ui/git">Git</a>
      </p>
      <h1>{of.path}</h1>
      {of.problems.map((problem) => (
        <p key={problem}>
          <Mark is="bad">wrong</Mark> {problem}
        </p>
      ))}
      <dl class="facts">
        <dt>Upstream</dt>
        <dd>
          <code>{of.url}</code>
        </dd>
        <dt>On the disk</dt>
        <dd>{formatBytes(of.bytes)}</dd>
        <dt>HEAD</dt>
        <dd>{of.head ?? "a commit"}</dd>
        <dt>History</dt>
        <dd>{of.is_shallow ? "none (shallow): it serves only clients that ask with a depth" : "whole"}</dd>
        {of.updated === null ? null : (
          <>
            <dt>Last changed</dt>
            <dd>
              <Time iso={of.updated} />
            </dd>
          </>
        )}
      </dl>
      <h2>Locked commits</h2>
      {of.locked.length === 0 ? (
        <p class="soft">No known lock names it.</p>
      ) : (
        <Table label="Commits that locks name" columns={["Lock", "App", "Commit"]}>
          {of.locked.map(({ lock, app, revision }) => (
            <Row key={`${lock} ${app}`}>
              <Head>{lock}</Head>
              <Cell>{app}</Cell>
              <Cell>
                <code>{revision}</code>
              </Cell>
            </Row>
          ))}
        </Table>
      )}
      <h2>Branches and tags</h2>
      {of.refs === null || of.refs.length === 0 ? (
        <p class="soft">{of.refs === null ? "They are in tables, which only git reads." : "There are none."}</p>
      ) : (
        <Table label="Branches and tags" isLong columns={["Name", "Names"]}>
          {of.refs.map(({ name, id }) => (
            <Row key={name}>
              <Head>{name.replace(/^refs\/(?:heads|tags)\//, "")}</Head>
              <Cell>
                {name.startsWith("refs/tags/") ? <Mark>tag</Mark> : null} <code>{id}</code>
              </Cell>
            </Row>
          ))}
        </Table>
      )}
    </Layout>
  );
}
