/**
 * What Elixir source says literally: attributes, variables, keys and functions without arguments that come to a text by
 * texts, `#{…}`, `<>` and what a project says of itself. Read as data, never evaluated; what is anything else cannot be told.
 *
 *   @version "1.2.0"
 *   github_url = Mix.Project.config()[:package][:links]["GitHub"]
 *   base_url: "#{github_url}/releases/download/v#{@version}"
 */
import { readTokens, type Token } from "./elixir-tokens.ts";

export interface Literals {
  /**
   * The values of a key, `name: …`, each once; undefined among them: of some nothing can be told.
   * @param within a part of the source; undefined: all of it
   */
  readonly key: (name: string, within?: readonly Token[]) => readonly (string | undefined)[];
  /** Of `@name`; undefined where it is not said, said in two ways, or cannot be told. */
  readonly attribute: (name: string) => string | undefined;
  /** How texts begin that hold such a mark, as far as that can be told: up to what is made by code. Each once. */
  readonly beginnings: (mark: string) => readonly string[];
  /** Names of the modules that it defines. */
  readonly modules: readonly string[];
}

/** What a project says of itself: `["version"]`, `["package", "links", "GitHub"]` */
export type ProjectSays = (path: readonly string[]) => string | undefined;

interface TextExpression {
  readonly type: "text";
  readonly parts: readonly (string | Expression | undefined)[];
}

type Expression =
  | TextExpression
  | { readonly type: "attribute"; readonly name: string }
  /** A variable, or a function of this module or another: its last name. */
  | { readonly type: "call"; readonly path: string; readonly args: readonly (Expression | undefined)[] }
  | { readonly type: "atom"; readonly name: string }
  | { readonly type: "access"; readonly of: Expression; readonly key: string }
  | { readonly type: "join"; readonly left: Expression; readonly right: Expression }
  /** The first unless it is nil. */
  | { readonly type: "or"; readonly left: Expression | undefined; readonly right: Expression };

type Value = { readonly text: string } | { readonly path: readonly string[] } | { readonly nil: true } | undefined;

/** Steps from one name to the next, and depth of one expression. */
const maxSteps = 64;
/** Values of one key, or texts that begin with one mark: nobody has more that mean the same. */
const maxFound = 100;
/** Characters: no URL is longer. */
const longestText = 8192;

/** @throws MirrorError `malformed` */
export function readLiterals(source: string, project: ProjectSays): Literals {
  return literalsIn(readTokens(source), project);
}

export function literalsIn(tokens: readonly Token[], project: ProjectSays): Literals {
  const said = declarationsIn(tokens);
  const evaluator = new Evaluator(said, project);
  return {
    key: (name, within) => {
      const { keys } = within === undefined ? said : declarationsIn(within);
      return [...new Set((keys.get(name) ?? []).slice(0, maxFound).map((each) => evaluator.text(each)))];
    },
    attribute: (name) => evaluator.text({ type: "attribute", name }),
    beginnings: (mark) => {
      const found = new Set<string>();
      for (const text of said.texts) {
        const begun = evaluator.beginning(text);
        if (begun.includes(mark)) found.add(begun);
        if (found.size >= maxFound) break;
      }
      return [...found];
    },
    modules: said.modules,
  };
}

class Evaluator {
  private readonly said: Declarations;
  private readonly project: ProjectSays;
  /** What names came to, so that each is looked at once. */
  private readonly known = new Map<string, Value>();

  constructor(said: Declarations, project: ProjectSays) {
    this.said = said;
    this.project = project;
  }

  text(expression: Expression | undefined): string | undefined {
    return this.textOf(this.value(expression, 0));
  }

  beginning({ parts }: TextExpression): string {
    let begun = "";
    for (const part of parts) {
      const text = typeof part === "string" ? part : this.text(part);
      if (text === undefined || begun.length + text.length > longestText) break;
      begun += text;
    }
    return begun;
  }

  private value(expression: Expression | undefined, steps: number): Value {
    if (expression === undefined || steps > maxSteps) return undefined;
    const next = (inner: Expression | undefined) => this.value(inner, steps + 1);
    switch (expression.type) {
      case "atom":
        return { text: expression.name };
      case "text":
        return joined(expression.parts.map((part) => (typeof part === "string" ? part : this.textOf(next(part)))));
      case "join":
        return joined([expression.left, expression.right].map((side) => this.textOf(next(side))));
      case "or": {
        const left = next(expression.left);
        return left !== undefined && "nil" in left ? next(expression.right) : left;
      }
      case "access": {
        const of = next(expression.of);
        return of !== undefined && "path" in of ? { path: [...of.path, expression.key] } : undefined;
      }
      case "attribute":
        return this.named("attributes", expression.name, steps);
      case "call":
        return this.called(expression, steps);
    }
  }

  private named(kind: "attributes" | "names", name: string, steps: number): Value {
    const id = `${kind} ${name}`;
    if (this.known.has(id)) return this.known.get(id);
    // Until it is known, it leads to nothing: a name that is said by itself ends here.
    this.known.set(id, undefined);
    const values = (this.said[kind].get(name) ?? []).map((each) => this.value(each, steps + 1));
    const isOne = new Set(values.map((value) => JSON.stringify(value))).size === 1;
    // It often comes from a file, and is the project's all the same.
    const value = (isOne ? values[0] : undefined) ?? (name === "version" ? { path: ["version"] } : undefined);
    this.known.set(id, value);
    return value;
  }

  private called({ path, args }: Extract<Expression, { type: "call" }>, steps: number): Value {
    const at = (index: number) => this.value(args[index], steps + 1);
    switch (path) {
      case "Mix.Project.config":
        return { path: [] };
      // As nobody has set it.
      case "System.get_env":
        return args.length > 1 ? at(1) : { nil: true };
      case "Application.get_env":
      case "Application.compile_env":
        return args.length > 2 ? at(2) : { nil: true };
      case "to_string":
      case "String.trim":
        return at(0);
      case "Keyword.get":
      case "Keyword.fetch!":
      case "Map.get":
      case "Map.fetch!": {
        const [of, key] = [at(0), this.textOf(at(1))];
        return of !== undefined && "path" in of && key !== undefined ? { path: [...of.path, key] } : undefined;
      }
      default:
        return args.length === 0 ? this.named("names", path.slice(path.lastIndexOf(".") + 1), steps) : undefined;
    }
  }

  private textOf(value: Value): string | undefined {
    if (value === undefined || "nil" in value) return undefined;
    return "text" in value ? value.text : this.project(value.path);
  }
}

/** Nothing where one of them cannot be told, or where they come to more than anybody writes. */
function joined(texts: Iterable<string | undefined>): Value {
  let all = "";
  for (const text of texts) {
    if (text === undefined || all.length + text.length > longestText) return undefined;
    all += text;
  }
  return { text: all };
}

interface Declarations {
  readonly attributes: ReadonlyMap<string, readonly (Expression | undefined)[]>;
  readonly names: ReadonlyMap<string, readonly (Expression | undefined)[]>;
  readonly keys: ReadonlyMap<string, readonly (Expression | undefined)[]>;
  readonly texts: readonly TextExpression[];
  readonly modules: readonly string[];
}

function declarationsIn(tokens: readonly Token[]): Declarations {
  const attributes = new Map<string, (Expression | undefined)[]>();
  const names = new Map<string, (Expression | undefined)[]>();
  const keys = new Map<string, (Expression | undefined)[]>();
  const texts: TextExpression[] = [];
  const modules: string[] = [];
  const add = (to: Map<string, (Expression | undefined)[]>, name: string, value: Expression | undefined) => {
    const all = to.get(name);
    if (all === undefined) to.set(name, [value]);
    else all.push(value);
  };
  for (const [at, token] of tokens.entries()) {
    if (token.type === "text") texts.push(textExpression(token, 0));
    else if (token.type === "key") add(keys, token.name, new Reader(tokens, at + 1).expression());
    else if (token.type === "attribute") {
      // Anywhere else it is read. What goes on with a sign, such as `<>`, reads it too.
      const isSet = token.isFirst && tokens[at + 1]?.isApart === true && tokens[at + 1]?.type !== "sign";
      if (isSet) add(attributes, token.name, new Reader(tokens, at + 1).expression());
    } else if (token.type === "name") {
      if (token.name === "defmodule") modules.push(new Reader(tokens, at + 1).path());
      else if (token.name === "def" || token.name === "defp") {
        const [name, value] = new Reader(tokens, at + 1).function() ?? [];
        if (name !== undefined) add(names, name, value);
      } else if (isSign(tokens[at + 1], "=")) add(names, token.name, new Reader(tokens, at + 2).expression());
    }
  }
  return { attributes, names, keys, texts, modules };
}

/** What begins at a token, as far as it is known; the rest is for nobody. */
class Reader {
  private readonly tokens: readonly Token[];
  private at: number;

  constructor(tokens: readonly Token[], at: number) {
    this.tokens = tokens;
    this.at = at;
  }

  expression(depth = 0): Expression | undefined {
    let left = this.postfixed(depth);
    for (;;) {
      if (this.take("<>")) {
        const right = this.postfixed(depth);
        left = left === undefined || right === undefined ? undefined : { type: "join", left, right };
      } else if (this.take("||")) {
        const right = this.postfixed(depth);
        if (right === undefined) return undefined;
        left = { type: "or", left, right };
      } else if (left !== undefined && this.take("|>")) {
        const call = this.postfixed(depth);
        left = call?.type === "call" ? { ...call, args: [left, ...call.args] } : undefined;
      } else {
        return left;
      }
    }
  }

  /** All of the tokens as one; undefined where more follows. */
  whole(depth: number): Expression | undefined {
    const found = depth > maxSteps ? undefined : this.expression(depth);
    return this.at >= this.tokens.length ? found : undefined;
  }

  /** `Some.Module` */
  path(): string {
    const names: string[] = [];
    for (;;) {
      const token = this.tokens[this.at];
      if (token?.type !== "name") return names.join(".");
      names.push(token.name);
      this.at += 1;
      if (!isSign(this.tokens[this.at], ".") || this.tokens[this.at + 1]?.type !== "name") return names.join(".");
      this.at += 1;
    }
  }

  /** `name, do: value`, `name() do value`; undefined for one with arguments. */
  function(): [string, Expression | undefined] | undefined {
    const token = this.tokens[this.at];
    if (token?.type !== "name") return undefined;
    this.at += 1;
    if (this.take("(") && !this.take(")")) return undefined;
    const isShort = this.take(",");
    const begin = this.tokens[this.at];
    const isBegun = isShort ? begin?.type === "key" : begin?.type === "name";
    if (begin === undefined || !isBegun || !("name" in begin) || begin.name !== "do") return undefined;
    this.at += 1;
    return [token.name, this.expression()];
  }

  private postfixed(depth: number): Expression | undefined {
    let found = depth > maxSteps ? undefined : this.primary(depth);
    while (found !== undefined && isSign(this.tokens[this.at], "[") && this.tokens[this.at]?.isApart === false) {
      this.at += 1;
      const key = this.tokens[this.at];
      this.at += 1;
      if (!this.take("]")) return undefined;
      if (key?.type === "atom") found = { type: "access", of: found, key: key.name };
      else if (key?.type === "text" && key.parts.every((part) => typeof part === "string"))
        found = { type: "access", of: found, key: key.parts.join("") };
      else return undefined;
    }
    return found;
  }

  private primary(depth: number): Expression | undefined {
    const token = this.tokens[this.at];
    if (token === undefined) return undefined;
    if (token.type === "name") return this.call(depth);
    this.at += 1;
    switch (token.type) {
      case "text":
        return textExpression(token, depth);
      case "attribute":
      case "atom":
        return { type: token.type, name: token.name };
      case "sign": {
        const inner = token.sign === "(" ? this.expression(depth + 1) : undefined;
        return inner !== undefined && this.take(")") ? inner : undefined;
      }
      default:
        return undefined;
    }
  }

  private call(depth: number): Expression | undefined {
    const path = this.path();
    const open = this.tokens[this.at];
    if (!isSign(open, "(") || open?.isApart !== false) return { type: "call", path, args: [] };
    this.at += 1;
    const args: (Expression | undefined)[] = [];
    while (!this.take(")")) {
      args.push(this.expression(depth + 1));
      if (this.take(",")) continue;
      if (!isSign(this.tokens[this.at], ")")) return undefined;
    }
    return { type: "call", path, args };
  }

  private take(sign: string): boolean {
    if (!isSign(this.tokens[this.at], sign)) return false;
    this.at += 1;
    return true;
  }
}

function textExpression({ parts }: Extract<Token, { type: "text" }>, depth: number): TextExpression {
  const read = (part: string | readonly Token[]) =>
    typeof part === "string" ? part : new Reader(part, 0).whole(depth + 1);
  return { type: "text", parts: parts.map(read) };
}

function isSign(token: Token | undefined, sign: string): boolean {
  return token?.type === "sign" && token.sign === sign;
}
