/**
 * Git's configuration format, as git reads it: sections with and without subsections, values with quotes, escapes,
 * comments and continued lines. Pure. https://git-scm.com/docs/git-config#_syntax
 */

export interface Setting {
  /** `remote.origin.url`: section and key in lower case, the subsection as it stands. */
  readonly name: string;
  /** The same as it was written, for people: `core.sshCommand` */
  readonly shown: string;
  /** undefined for a key without `=`, which means true. */
  readonly value: string | undefined;
}

/** As git reads one; a key without a value is true. @returns undefined for what is neither */
export function booleanOf(value: string | undefined): boolean | undefined {
  if (value === undefined || /^(?:true|yes|on)$/i.test(value)) return true;
  if (/^(?:false|no|off|)$/i.test(value)) return false;
  if (!/^[-+]?(?:0x[0-9a-f]+|\d+)[kmg]?$/i.test(value)) return undefined;
  return /[1-9a-f]/i.test(value.replace(/^[-+]?(?:0x)?|[kmg]$/gi, ""));
}

/** A value as a file has it. */
export function quoted(value: string): string {
  return `"${value.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\t", "\\t")}"`;
}

/** Settings as a file has them. @param settings `url.http://host/.insteadOf` and its value */
export function formatConfig(settings: readonly (readonly [string, string])[]): string {
  const lines = settings.map(([name, value]) => {
    const [start, end] = [name.indexOf("."), name.lastIndexOf(".")];
    const subsection = start === end ? "" : ` "${name.slice(start + 1, end).replace(/["\\]/g, "\\$&")}"`;
    return `[${name.slice(0, start)}${subsection}]\n\t${name.slice(end + 1)} = ${quoted(value)}\n`;
  });
  return lines.join("");
}

const header = /\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\[^\n])*)")?\]/y;
const key = /([A-Za-z][A-Za-z0-9-]*)[ \t]*/y;
const blank = /(?:[ \t\r\n]+|[#;][^\n]*)/y;

/** @throws Error with what cannot be read, as git would refuse the file */
export function parseConfig(text: string): Setting[] {
  const settings: Setting[] = [];
  let at = text.startsWith("\uFEFF") ? 1 : 0;
  let section = "";
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text) ?? undefined;
    at += found?.[0].length ?? 0;
    return found;
  };
  const refuse = () => new Error(`bad config line ${text.slice(0, at).split("\n").length}`);
  for (;;) {
    while (take(blank) !== undefined);
    if (at >= text.length) return settings;
    const [, name, subsection] = take(header) ?? [];
    if (name !== undefined) {
      // `[a.B]`, the old way, has its subsection in lower case.
      section = name.toLowerCase() + (subsection === undefined ? "" : `.${subsection.replace(/\\(.)/g, "$1")}`);
      continue;
    }
    const found = take(key)?.[1];
    if (found === undefined || section === "") throw refuse();
    let value: string | undefined;
    if (text[at] === "=") {
      const read = readValue(text, at + 1);
      if (read === undefined) throw refuse();
      ({ value, end: at } = read);
    } else if (at < text.length && !isLineEnd(text, at)) throw refuse();
    settings.push({ name: `${section}.${found.toLowerCase()}`, shown: `${section}.${found}`, value });
  }
}

function isLineEnd(text: string, at: number): boolean {
  return text[at] === "\n" || (text[at] === "\r" && text[at + 1] === "\n");
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", b: "\b", '"': '"', "\\": "\\" };

/** @returns undefined for a value that git would not read */
function readValue(text: string, start: number): { value: string; end: number } | undefined {
  let value = "";
  // Blanks count between words and within quotes, not at the ends.
  let blanks = "";
  let isQuoted = false;
  let at = start;
  for (; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (isLineEnd(text, at)) {
      if (isQuoted) return undefined;
      break;
    }
    if (!isQuoted && (char === "#" || char === ";")) {
      const end = text.indexOf("\n", at);
      return { value, end: end === -1 ? text.length : end };
    }
    if (!isQuoted && (char === " " || char === "\t" || char === "\r")) {
      if (value !== "") blanks += char;
      continue;
    }
    value += blanks;
    blanks = "";
    if (char === '"') isQuoted = !isQuoted;
    else if (char !== "\\") value += char;
    else {
      at += 1;
      const next = text[at] ?? "";
      if (isLineEnd(text, at)) at += next === "\r" ? 1 : 0;
      else if (escapes[next] === undefined) return undefined;
      else value += escapes[next];
    }
  }
  return isQuoted ? undefined : { value, end: at };
}
