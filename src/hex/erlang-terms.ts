/**
 * Reads Erlang terms written as text, as `metadata.config` in a Hex tarball holds them (`file:consult/1` format) and
 * `rebar.lock`: each term ends in a full stop. Nothing is evaluated; what is no literal is a syntax error.
 *
 * Strings and binaries come as JavaScript strings: bytes that are valid UTF-8 are decoded as such, since Hex's writer
 * gives non-ASCII text as bytes (`<<84,195,179>>`); other bytes are taken for Latin-1.
 */
import { MirrorError } from "../errors.ts";

export type ErlangTerm =
  | { readonly type: "atom"; readonly name: string }
  | { readonly type: "binary"; readonly text: string }
  | { readonly type: "string"; readonly text: string }
  | { readonly type: "number"; readonly value: number }
  | { readonly type: "tuple"; readonly items: readonly ErlangTerm[] }
  | { readonly type: "list"; readonly items: readonly ErlangTerm[] }
  | { readonly type: "map"; readonly pairs: readonly (readonly [ErlangTerm, ErlangTerm])[] };

const isAscii = /^[\0-\x7f]*$/;

// Deeper than any real file, and far from the end of the stack.
const maxDepth = 64;

/** @param source the file's text @param where named in errors @throws MirrorError `malformed`, with line */
export function readErlangTerms(source: string, where = "metadata.config"): ErlangTerm[] {
  return readWrittenTerms(source, where).map(({ term }) => term);
}

/** Likewise, each as it was written, with its full stop. */
export function readWrittenTerms(
  source: string,
  where: string,
): { readonly term: ErlangTerm; readonly text: string }[] {
  const reader = new Reader(source, where);
  const terms: { term: ErlangTerm; text: string }[] = [];
  while (!reader.atEnd()) terms.push(reader.written());
  return terms;
}

/** The value of `{Key, Value}`. */
export function valueOf(term: ErlangTerm, key: string): ErlangTerm | undefined {
  const [first, second] = term.type === "tuple" ? term.items : [];
  return first !== undefined && nameOf(first) === key ? second : undefined;
}

/** What an atom is called, or what a text says. */
export function nameOf(term: ErlangTerm): string | undefined {
  return term.type === "atom" ? term.name : textOf(term);
}

/** What a string or a binary says; undefined for any other term. */
export function textOf(term: ErlangTerm | undefined): string | undefined {
  return term?.type === "binary" || term?.type === "string" ? term.text : undefined;
}

class Reader {
  private readonly source: string;
  private readonly where: string;
  private at = 0;

  constructor(source: string, where: string) {
    this.source = source;
    this.where = where;
  }

  atEnd(): boolean {
    this.skipBlank();
    return this.at >= this.source.length;
  }

  /** After blanks. */
  written(): { term: ErlangTerm; text: string } {
    const start = this.at;
    const term = this.term(0);
    this.expect(".");
    return { term, text: this.source.slice(start, this.at) };
  }

  private term(depth: number): ErlangTerm {
    if (depth > maxDepth) throw this.error(`nested deeper than ${maxDepth}`);
    this.skipBlank();
    const char = this.source[this.at] ?? "";
    if (this.take("<<")) return { type: "binary", text: this.binary() };
    if (this.take("#{")) return { type: "map", pairs: this.pairs(depth) };
    if (this.take("{")) return { type: "tuple", items: this.items("}", depth) };
    if (this.take("[")) return { type: "list", items: this.items("]", depth) };
    if (char === '"') return { type: "string", text: this.strings() };
    if (char === "'") return { type: "atom", name: this.quoted("'") };
    const number = this.match(/-?\d+(?:\.\d+(?:[eE][-+]?\d+)?)?/y);
    if (number !== undefined) return { type: "number", value: Number(number) };
    const atom = this.match(/[a-z][\w@]*/y);
    if (atom !== undefined) return { type: "atom", name: atom };
    throw this.error(char === "" ? "ends in the middle of a term" : `unexpected ${JSON.stringify(char)}`);
  }

  private items(close: string, depth: number): ErlangTerm[] {
    const items: ErlangTerm[] = [];
    if (this.take(close)) return items;
    do items.push(this.term(depth + 1));
    while (this.take(","));
    this.expect(close);
    return items;
  }

  private pairs(depth: number): [ErlangTerm, ErlangTerm][] {
    const pairs: [ErlangTerm, ErlangTerm][] = [];
    if (this.take("}")) return pairs;
    do {
      const key = this.term(depth + 1);
      this.expect("=>");
      pairs.push([key, this.term(depth + 1)]);
    } while (this.take(","));
    this.expect("}");
    return pairs;
  }

  /** After `<<`: segments that are strings (`"…"`, `"…"/utf8`) or bytes (`84`). */
  private binary(): string {
    const parts: Buffer[] = [];
    if (this.take(">>")) return "";
    do {
      this.skipBlank();
      if (this.source[this.at] === '"') {
        const text = this.quoted('"');
        // What nearly all of them are.
        if (parts.length === 0 && isAscii.test(text) && this.take(">>")) return text;
        const isUtf8 = this.take("/utf8") || /[^\0-\xff]/.test(text);
        parts.push(Buffer.from(text, isUtf8 ? "utf8" : "latin1"));
      } else {
        const byte = Number(this.match(/\d{1,3}/y) ?? Number.NaN);
        if (!(byte <= 255)) throw this.error("a binary's segment is neither a string nor a byte");
        parts.push(Buffer.from([byte]));
      }
    } while (this.take(","));
    this.expect(">>");
    return decodeBytes(Buffer.concat(parts));
  }

  /** Adjacent string literals are one string. */
  private strings(): string {
    let text = "";
    do {
      text += this.quoted('"');
      this.skipBlank();
    } while (this.source[this.at] === '"');
    return text;
  }

  private quoted(quote: string): string {
    const end = this.source.indexOf(quote, this.at + 1);
    const plain = end === -1 ? "\\" : this.source.slice(this.at + 1, end);
    if (!plain.includes("\\")) {
      this.at = end + 1;
      return plain;
    }
    let text = "";
    for (this.at += 1; this.at < this.source.length; this.at += 1) {
      const char = this.source[this.at] ?? "";
      if (char === quote) {
        this.at += 1;
        return text;
      }
      text += char === "\\" ? this.escape() : char;
    }
    throw this.error("a quoted text does not end");
  }

  /** At a backslash; leaves `at` on the escape's last character. */
  private escape(): string {
    const rest = this.source.slice(this.at + 1, this.at + 12);
    const code = /^x\{([0-9a-fA-F]{1,6})\}|^x([0-9a-fA-F]{2})|^([0-7]{1,3})/.exec(rest);
    if (code) {
      this.at += code[0].length;
      const point = code[3] === undefined ? Number.parseInt(code[1] ?? code[2] ?? "", 16) : Number.parseInt(code[3], 8);
      if (point > 0x10ffff) throw this.error("an escape names no character");
      return String.fromCodePoint(point);
    }
    this.at += 1;
    const char = rest[0] ?? "";
    return escapes[char] ?? char;
  }

  private skipBlank(): void {
    // Mostly there is nothing to skip, and a regular expression is slow at finding that out.
    const code = this.source.charCodeAt(this.at);
    if (code <= 0x20 || code === 0x25 || code >= 0x80) this.match(/(?:\s|%[^\n]*)*/y);
  }

  private take(token: string): boolean {
    this.skipBlank();
    if (!this.source.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private expect(token: string): void {
    if (!this.take(token)) {
      const found = this.source[this.at];
      throw this.error(`expected "${token}"${found === undefined ? " before the end" : `, found "${found}"`}`);
    }
  }

  private match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.at;
    const found = sticky.exec(this.source)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private error(what: string): MirrorError {
    const line = this.source.slice(0, this.at).split("\n").length;
    return new MirrorError("malformed", `${this.where}, line ${line}: ${what}`);
  }
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  b: "\b",
  f: "\f",
  v: "\v",
  e: "\u001b",
  s: " ",
  d: "\u007f",
};

function decodeBytes(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString("latin1");
  }
}
