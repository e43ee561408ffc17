/**
 * Every message of the program, as its source has it: what is given to a MirrorError, and what is told, noted, warned of,
 * logged as a warning or an error, or given as a reason. What is filled in when it runs is `…`.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { parseAst } from "vite";
import * as z from "zod";

export interface Message {
  /** Of the error; `told` for what is no error, `reason` for what ends one. */
  readonly code: string;
  readonly text: string;
  readonly file: string;
}

const src = new URL("../../src/", import.meta.url).pathname;
const node = z.looseObject({ type: z.string() });
type Node = z.infer<typeof node>;

export async function allMessages(): Promise<Message[]> {
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && !file.endsWith(".d.ts") && !file.includes("/gen/"),
  );
  const found: Message[] = [];
  for (const file of files.sort()) {
    const { code } = await transform(readFileSync(join(src, file), "utf8"), { loader: "ts", target: "esnext" });
    visit(node.parse(parseAst(code)), (each) => {
      for (const { code: kind, texts } of messagesOf(each)) {
        found.push(...texts.filter(saysSomething).map((text) => ({ code: kind, text: text.trim(), file })));
      }
    });
  }
  return found;
}

function messagesOf(each: Node): { code: string; texts: string[] }[] {
  const [first, second] = z.array(node).catch([]).parse(each["arguments"]);
  const callee = nodeOf(each["callee"]);
  if (each.type === "NewExpression" && nameOf(callee) === "MirrorError" && first !== undefined) {
    return [{ code: textsOf(first).join(" or "), texts: textsOf(second) }];
  }
  if (each.type === "CallExpression") {
    const name = nameOf(callee);
    if (["tell", "note", "say"].includes(name)) return [{ code: "told", texts: textsOf(first) }];
    // A function of the file's own, which makes an error of it, and may be given where first.
    if (["fail", "refuse"].includes(name)) return [{ code: "reason", texts: [...textsOf(first), ...textsOf(second)] }];
    // A logger is given fields before the sentence.
    if (["warn", "error"].includes(name)) return [{ code: "told", texts: [...textsOf(first), ...textsOf(second)] }];
  }
  const isReason = each.type === "Property" && ["reason", "why", "text"].includes(nameOf(nodeOf(each["key"])));
  return isReason ? [{ code: "reason", texts: textsOf(nodeOf(each["value"])) }] : [];
}

/** What an expression may say, each way it may go. */
function textsOf(expression: Node | undefined): string[] {
  switch (expression?.type) {
    case "Literal":
      return typeof expression["value"] === "string" ? [expression["value"]] : [];
    case "TemplateLiteral": {
      const quasis = z.array(z.looseObject({ value: z.object({ cooked: z.string() }) })).parse(expression["quasis"]);
      return [quasis.map(({ value }) => value.cooked).join("…")];
    }
    case "BinaryExpression": {
      const [left, right] = [textsOf(nodeOf(expression["left"])), textsOf(nodeOf(expression["right"]))];
      const ends = right.length === 0 ? ["…"] : right;
      return (left.length === 0 ? ["…"] : left).flatMap((begin) => ends.map((end) => begin + end));
    }
    case "ConditionalExpression":
      return [...textsOf(nodeOf(expression["consequent"])), ...textsOf(nodeOf(expression["alternate"]))];
    default:
      return [];
  }
}

/** More than what is filled in: three words of its own. */
function saysSomething(text: string): boolean {
  return (text.match(/[A-Za-z]{2,}/g) ?? []).length >= 3;
}

function nodeOf(value: unknown): Node | undefined {
  return node.safeParse(value).data;
}

/** `f` of `f(…)` and of `a.b.f(…)` */
function nameOf(callee: Node | undefined): string {
  const name = callee?.type === "MemberExpression" ? nodeOf(callee["property"])?.["name"] : callee?.["name"];
  return typeof name === "string" ? name : "";
}

function visit(each: Node, see: (each: Node) => void): void {
  see(each);
  for (const value of Object.values(each)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      const parsed = nodeOf(child);
      if (parsed !== undefined) visit(parsed, see);
    }
  }
}
