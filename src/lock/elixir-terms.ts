/**
 * Reads the subset of Elixir that `mix.lock` is written in: one literal of maps, tuples, lists, keyword lists,
 * strings, atoms and numbers. It is data and stays data: there is no variable, call or interpolation to evaluate.
 *
 * A lock may come from anywhere, so the reader is linear in the file's size and refuses deep nesting.
 */
import { MirrorError } from "../errors.ts";

export type ElixirTerm =
  | { readonly type: "string"; readonly text: string; readonly at: number }
  | { readonly type: "atom"; readonly name: string; readonly at: number }
  | { readonly type: "number"; readonly value: number; readonly at: number }
  | { readonly type: "tuple"; readonly items: readonly ElixirTerm[]; readonly at: number }
  | { readonly type: "list"; readonly items: readonly ElixirTerm[]; readonly at: number }
  | { readonly type: "map"; readonly pairs: readonly (readonly [ElixirTerm, ElixirTerm])[]; readonly at: number };

const maxDepth = 64;

/** @param where the file's name, for errors @throws MirrorError `lock_syntax`, with line and column */
export function readElixirTerm(source: string, where: string): ElixirTerm {
  const reader = new Reader(source, where);
  return reader.document();
}

/** Line and column, from 1, of an offset into `source`. */
export function position(source: string, at: number): { line: number; column: number } {
  const before = source.slice(0, at).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

class Reader {
  private readonly source: string;
  private readonly where: string;
  private at = 0;

  constructor(source: string, where: string) {
    this.source = source;
    this.where = where;
    if (source.startsWith("\uFEFF")) this.at = 1;
  }

  document(): ElixirTerm {
    this.skipBlank();
    if (this.at >= this.source.length) return { type: "map", pairs: [], at: this.at };
    const term = this.term(0);
    this.skipBlank();
    if (this.at < this.source.length) throw this.error("expected the end of the file after the lock's map");
    return term;
  }

  private term(depth: number): ElixirTerm {
    if (depth > maxDepth) throw this.error(`nested deeper than ${maxDepth}`);
    this.skipBlank();
    const at = this.at;
    const char = this.source[at];
    if (this.take("%{")) return { type: "map", pairs: this.pairs(depth), at };
    if (this.take("{")) return { type: "tuple", items: this.items("}", depth), at };
    if (this.take("[")) return { type: "list", items: this.items("]", depth), at };
    if (char === '"') return { type: "string", text: this.quoted(), at };
    if (char === ":") return { type: "atom", name: this.atom(), at };
    const number = this.match(/-?\d[\d_]*(?:\.\d+(?:[eE][-+]?\d+)?)?/y);
    if (number !== undefined) return { type: "number", value: Number(number.replaceAll("_", "")), at };
    const word = this.match(/(?:true|false|nil)\b/y) ?? this.match(/[A-Z][\w.]*/y);
    if (word !== undefined) return { type: "atom", name: word, at };
    throw this.error(char === undefined ? "the file ends too early" : `unexpected ${JSON.stringify(char)}`);
  }

  private atom(): string {
    this.at += 1;
    if (this.source[this.at] === '"') return this.quoted();
    const name = this.match(/[\p{L}_][\p{L}\p{N}_@]*[?!]?/uy);
    if (name === undefined) throw this.error("an atom needs a name");
    return name;
  }

  /** A list's or tuple's items; trailing `key: value` pairs become `{:key, value}` tuples, as in Elixir. */
  private items(close: "]" | "}", depth: number): ElixirTerm[] {
    const items: ElixirTerm[] = [];
    for (;;) {
      this.skipBlank();
      if (this.take(close)) return items;
      const key = this.keyword();
      if (key === undefined) items.push(this.term(depth + 1));
      else items.push({ type: "tuple", items: [key, this.term(depth + 2)], at: key.at });
      this.separator(close);
    }
  }

  private pairs(depth: number): [ElixirTerm, ElixirTerm][] {
    const pairs: [ElixirTerm, ElixirTerm][] = [];
    for (;;) {
      this.skipBlank();
      if (this.take("}")) return pairs;
      let key: ElixirTerm | undefined = this.keyword();
      if (key === undefined) {
        key = this.term(depth + 1);
        // `"name": value` makes the key an atom, `"name" => value` leaves it a string.
        this.skipBlank();
        if (!this.take("=>")) throw this.error(`expected "=>" or ":" after the key`);
      }
      pairs.push([key, this.term(depth + 1)]);
      this.separator("}");
    }
  }

  /** `name:` or `"name":` in front of a value, else nothing is taken. */
  private keyword(): Extract<ElixirTerm, { type: "atom" }> | undefined {
    const at = this.at;
    const bare = this.match(/[\p{Ll}_][\p{L}\p{N}_@]*[?!]?:(?=\s)/uy);
    if (bare !== undefined) return { type: "atom", name: bare.slice(0, -1), at };
    if (this.source[at] !== '"') return undefined;
    const name = this.quoted();
    if (this.source[this.at] === ":") {
      this.at += 1;
      return { type: "atom", name, at };
    }
    this.at = at;
    return undefined;
  }

  private separator(close: string): void {
    this.skipBlank();
    if (this.take(",")) return;
    if (!this.source.startsWith(close, this.at)) {
      const found = this.source[this.at];
      throw this.error(
        found === undefined ? `expected "," or "${close}", but the file ends` : `expected "," or "${close}"`,
      );
    }
  }

  private quoted(): string {
    const start = this.at;
    const token = this.match(/"[^"\\]*(?:\\[\s\S][^"\\]*)*"/y);
    if (token === undefined) {
      this.at = start;
      throw this.error("a string does not end");
    }
    if (token.includes("#{")) {
      this.at = start;
      throw this.error("a string with #{…} would be code, and a lock holds data only");
    }
    return token.slice(1, -1).replace(/\\(.)/gs, (_, char: string) => escapes[char] ?? char);
  }

  private skipBlank(): void {
    this.match(/(?:\s|#[^\n]*)*/y);
  }

  private take(token: string): boolean {
    if (!this.source.startsWith(token, this.at)) return false;
    this.at += token.length;
    return true;
  }

  private match(sticky: RegExp): string | undefined {
    sticky.lastIndex = this.at;
    const found = sticky.exec(this.source)?.[0];
    this.at += found?.length ?? 0;
    return found;
  }

  private error(what: string): MirrorError {
    const { line, column } = position(this.source, this.at);
    return new MirrorError("lock_syntax", `${this.where}:${line}:${column}: ${what}`, { data: { line, column } });
  }
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", s: " ", 0: "\0", e: "\u001b" };
