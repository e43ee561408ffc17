/**
 * Elixir source → tokens, as far as it takes to tell what it says literally: texts with what is filled into them, names,
 * attributes, keys. What is of no use to that is one sign or is passed over. Linear in the source's size; pure.
 */
import { MirrorError } from "../errors.ts";

export type Token = Sign & {
  /** Whether blank space stands before it: `list [:key]` is no access. */
  readonly isApart: boolean;
  /** Whether it is the first of its line: a statement begins with it, or goes on. */
  readonly isFirst: boolean;
};

type Sign =
  /** A text, or a heredoc or `~s` sigil that is one; what stands in `#{…}` as its tokens. */
  | { readonly type: "text"; readonly parts: readonly (string | readonly Token[])[] }
  | { readonly type: "name"; readonly name: string }
  /** `@name` */
  | { readonly type: "attribute"; readonly name: string }
  /** `:name`, `:"name"` */
  | { readonly type: "atom"; readonly name: string }
  /** `name:` before a value. */
  | { readonly type: "key"; readonly name: string }
  | { readonly type: "sign"; readonly sign: string };

/** Characters, and what they come to; what is more was generated. */
const longest = 1024 * 1024;
const maxTokens = 200_000;
const maxDepth = 32;

/** @throws MirrorError `malformed` for what is longer, or nested deeper, than anybody writes */
export function readTokens(source: string): readonly Token[] {
  if (source.length > longest) throw malformed("it is too long");
  return new Tokens(source).until(undefined, 0);
}

const blank = /(?:\s|#[^\n]*)*/y;
const key = /[\p{L}_][\p{L}\p{N}_]*[?!]?:(?=\s)/uy;
const name = /[\p{L}_][\p{L}\p{N}_]*[?!]?/uy;
const attribute = /@[\p{L}_][\p{L}\p{N}_]*[?!]?/uy;
const atom = /:[\p{L}_][\p{L}\p{N}_@]*[?!]?/uy;
const sigil = /~([a-z]|[A-Z][A-Z0-9]*)("""|'''|[/|"'([{<])/y;
/** What neither ends a text, nor fills one, nor is escaped in one. */
const plain = /[^"\\#'()[\]{}<>/|]+/y;
const character = /\?(?:\\[\s\S]|[\s\S])/y;
const sign = /<>|\|>|\|\||&&|->|=>|==|=~|<-|[\s\S]/y;
const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "<": ">" };

/** Most are told by their first character. */
function isSign(char: string | undefined): boolean {
  return char !== undefined && "()[]{},.|=<>&-+*/^!%;\\".includes(char);
}

class Tokens {
  private readonly source: string;
  private at = 0;
  private count = 0;

  constructor(source: string) {
    this.source = source;
  }

  /** @param end the sign that ends them, which is taken; undefined: the source's end */
  until(end: "}" | undefined, depth: number): Token[] {
    if (depth > maxDepth) throw malformed(`it is nested deeper than ${maxDepth}`);
    const tokens: Token[] = [];
    for (let open = 0; ;) {
      const before = this.match(blank);
      const isFirst = this.at === before.length || before.includes("\n");
      if (this.at >= this.source.length) return tokens;
      const next = this.next(depth);
      if ((this.count += 1) > maxTokens) throw malformed(`it has more than ${maxTokens} tokens`);
      if (next === undefined) continue;
      if (next.type === "sign" && end !== undefined) {
        if (next.sign === "{") open += 1;
        else if (next.sign === end && open-- === 0) return tokens;
      }
      tokens.push({ ...next, isApart: before !== "", isFirst });
    }
  }

  private next(depth: number): Sign | undefined {
    const char = this.source[this.at];
    if (char === '"') return this.text(depth);
    if (char === "'") return this.passOver(this.source.startsWith("'''", this.at) ? "'''" : "'");
    if (char === "~") {
      const [whole, kind = "", open = ""] = this.take(sigil) ?? [];
      if (whole !== undefined) {
        const close = closing[open] ?? open;
        return kind === "s" ? this.textUntil(close, depth) : this.skipTo(close, kind === kind.toLowerCase());
      }
    }
    if (char === "?" && this.match(character) !== "") return undefined;
    if (char === ":" && this.source.startsWith(':"', this.at)) {
      this.at += 1;
      const { parts } = this.text(depth);
      return { type: "atom", name: parts.every((part) => typeof part === "string") ? parts.join("") : "" };
    }
    if (isSign(char)) return { type: "sign", sign: this.match(sign) };
    return (
      this.word(key, (found) => ({ type: "key", name: found.slice(0, -1) })) ??
      this.word(name, (found) => ({ type: "name", name: found })) ??
      this.word(attribute, (found) => ({ type: "attribute", name: found.slice(1) })) ??
      this.word(atom, (found) => ({ type: "atom", name: found.slice(1) })) ?? { type: "sign", sign: this.match(sign) }
    );
  }

  private word(pattern: RegExp, make: (found: string) => Sign): Sign | undefined {
    const found = this.match(pattern);
    return found === "" ? undefined : make(found);
  }

  private text(depth: number): Extract<Sign, { type: "text" }> {
    const close = this.source.startsWith('"""', this.at) ? '"""' : '"';
    this.at += close.length;
    // A heredoc begins in the line below.
    if (close.length > 1 && this.source[this.at] === "\n") this.at += 1;
    return this.textUntil(close, depth);
  }

  private textUntil(close: string, depth: number): Extract<Sign, { type: "text" }> {
    const parts: (string | readonly Token[])[] = [];
    let text = "";
    for (;;) {
      const char = this.source[this.at];
      if (char === undefined || this.source.startsWith(close, this.at)) {
        this.at += close.length;
        return { type: "text", parts: text === "" ? parts : [...parts, text] };
      }
      if (char === "#" && this.source[this.at + 1] === "{") {
        this.at += 2;
        if (text !== "") parts.push(text);
        parts.push(this.until("}", depth + 1));
        text = "";
      } else if (char === "\\") {
        const escaped = this.source[this.at + 1] ?? "";
        text += escapes[escaped] ?? escaped;
        this.at += 2;
      } else {
        text += this.match(plain) || this.source[this.at++];
      }
    }
  }

  /** A list of characters: no text of ours. */
  private passOver(close: string): undefined {
    this.at += close.length;
    return this.skipTo(close, true);
  }

  private skipTo(close: string, hasEscapes: boolean): undefined {
    while (this.at < this.source.length && !this.source.startsWith(close, this.at)) {
      this.at += hasEscapes && this.source[this.at] === "\\" ? 2 : 1;
    }
    this.at += close.length;
  }

  private take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.source) ?? undefined;
    this.at += found?.[0].length ?? 0;
    return found;
  }

  private match(pattern: RegExp): string {
    return this.take(pattern)?.[0] ?? "";
  }
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", s: " ", "\n": "" };

function malformed(what: string): MirrorError {
  return new MirrorError("malformed", `Elixir source cannot be read: ${what}`);
}
