/** What is held besides packages and repositories. */
import type { HeldFile } from "../facts/shape.ts";
import { Layout, type Frame } from "./layout.tsx";
import { Cell, Head, Row, Search, Table, count } from "./parts.tsx";
import { formatBytes } from "../text.ts";

const kinds = [
  ["installer", "Installers", "What mix local.hex and mix local.rebar download"],
  ["file", "Other files", "Those that the configuration names"],
  ["policy", "Policies", "What a registry says of what may be used"],
  ["documentation", "Documentation", "Of releases, for mix hex.docs"],
] as const;

export function FilesPage({
  files,
  search,
  frame,
}: {
  /** Those that were searched for. */
  readonly files: readonly HeldFile[];
  readonly search: string;
  readonly frame: Frame;
}) {
  return (
    <Layout title="Files" room="/ui/files" frame={frame}>
      <h1>Files</h1>
      <Search action="/ui/files" value={search} of="files" label="Search paths and URLs" />
      <div id="files">
        {kinds.map(([kind, title, about]) => {
          const own = files.filter((file) => file.kind === kind);
          return (
            <section key={kind} aria-labelledby={kind}>
              <h2 id={kind}>{title}</h2>
              <p class="soft">
                {about}. {own.length === 0 ? "None is held." : `${count(own.length, "file")}.`}
              </p>
              {own.length === 0 ? null : (
                <Table label={title} isLong columns={["Name", "Checksum", "#Size"]}>
                  {own.map(({ name, sha256, bytes }) => (
                    <Row key={name}>
                      <Head>{name}</Head>
                      <Cell>{sha256 === null ? null : <code>{sha256}</code>}</Cell>
                      <Cell isNumber>{formatBytes(bytes)}</Cell>
                    </Row>
                  ))}
                </Table>
              )}
            </section>
          );
        })}
      </div>
    </Layout>
  );
}
