/** What pages are made of. */
import type { ComponentChildren } from "preact";

export function Mark({
  is,
  children,
}: {
  readonly is?: "good" | "warn" | "bad";
  readonly children: ComponentChildren;
}) {
  return <span class={is === undefined ? "mark" : `mark ${is}`}>{children}</span>;
}

/** A time in UTC, which scripts show as the browser's own. @param iso ISO 8601 */
export function Time({ iso }: { readonly iso: string }) {
  return <time dateTime={iso}>{`${iso.slice(0, 16).replace("T", " ")} UTC`}</time>;
}

export function count(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A table whose rows become sheets of paper where there is no room; by roles, since that costs its elements theirs. */
export function Table({
  label,
  columns,
  id,
  children,
  isLong = false,
}: {
  readonly label: string;
  /** Those that begin with `#` are of numbers. */
  readonly columns: readonly string[];
  readonly id?: string;
  readonly children: ComponentChildren;
  readonly isLong?: boolean;
}) {
  return (
    <div class={isLong ? "sheet stack long" : "sheet stack"}>
      <table role="table" aria-label={label} id={id}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column} role="columnheader" scope="col" class={column.startsWith("#") ? "number" : undefined}>
                {column.replace(/^#/, "")}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">{children}</tbody>
      </table>
    </div>
  );
}

export function Row({ children }: { readonly children: ComponentChildren }) {
  return <tr role="row">{children}</tr>;
}

export function Head({ children }: { readonly children: ComponentChildren }) {
  return (
    <th role="rowheader" scope="row">
      {children}
    </th>
  );
}

export function Cell({
  isNumber = false,
  children,
}: {
  readonly isNumber?: boolean;
  readonly children?: ComponentChildren;
}) {
  return (
    <td role="cell" class={isNumber ? "number" : undefined}>
      {children}
    </td>
  );
}

/** Text to be taken along. @param label what it is, for who hears the button */
export function Snippet({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <div class="snippet">
      <pre tabIndex={0} role="group" aria-label={`Text: ${label}`}>
        <code>{text}</code>
      </pre>
      <button type="button" class="js-only" data-copy aria-label={`Copy ${label}`}>
        Copy
      </button>
    </div>
  );
}

/** @param action where it goes without a script @param of what is searched: the id of a table */
export function Search({
  action,
  value,
  of,
  label,
}: {
  readonly action: string;
  readonly value: string;
  readonly of: string;
  readonly label: string;
}) {
  return (
    <form class="search" action={action} method="get" role="search">
      <label>
        {label}
        <input type="search" name="search" value={value} data-search={of} autocomplete="off" spellcheck={false} />
      </label>
      <button type="submit">Search</button>
      <span role="status" class="soft" data-found={of} />
    </form>
  );
}

export function List({ items, empty }: { readonly items: readonly string[]; readonly empty: string }) {
  if (items.length === 0) return <p class="soft">{empty}</p>;
  return (
    <ul>
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  );
}
