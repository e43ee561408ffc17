/** `mirror-server help TOPIC`: a guide, for who has no network to read it on the web. */
import { wrapped } from "./wrapped.ts";
import { readDocument, topics } from "../documents.ts";
import { MirrorError } from "../errors.ts";
import { maybeMeant } from "../maybe-meant.ts";
import { besides, commands } from "./commands.ts";

/** @throws MirrorError `usage` for what there is no guide of */
export async function guide(topic: string): Promise<string> {
  const all = topics();
  if (topic === "guides") return overview(all);
  if (all.includes(topic)) return (await import("./plain-text.ts")).plainText(readDocument(topic));
  const choices = [...all, ...Object.keys(commands), ...Object.keys(besides), "guides"];
  throw new MirrorError("usage", `there is no guide ${JSON.stringify(topic)}; ${maybeMeant(topic, choices)}`);
}

/** Each with its first sentence, which says what it gives. */
async function overview(all: readonly string[]): Promise<string> {
  const { plainText } = await import("./plain-text.ts");
  const width = Math.max(...all.map((topic) => topic.length)) + 2;
  const lines = all.flatMap((topic) => {
    const [, first = ""] = plainText(readDocument(topic), 10_000).split("\n\n");
    const [sentence = ""] = /^.*?\.(?= |$)/.exec(first.replaceAll("\n", " ")) ?? [first];
    return wrapped(sentence, 78 - width).map((line, index) => `${(index === 0 ? topic : "").padEnd(width)}${line}`);
  });
  return ["mirror-server help TOPIC shows one of these:", "", ...lines.map((line) => `  ${line}`), ""].join("\n");
}
