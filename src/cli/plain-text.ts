/**
 * Markdown as a terminal shows it: paragraphs in 80 columns, code as it stands, and of tables one entry a row, since their
 * columns do not fit. Links into the documentation become the name of the guide that they lead to.
 */
import { wrapped } from "./wrapped.ts";
import { lexer, type Token, type Tokens } from "marked";

const columns = 80;
const maxName = 24;

/** @param width of lines, characters */
export function plainText(markdown: string, width = columns): string {
  // What is for those who keep the documentation.
  const text = markdown.replace(/<!--[\s\S]*?-->/g, "");
  return `${lexer(text)
    .flatMap((token) => blockOf(token, width))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim()}\n`;
}

function blockOf(token: Token, width: number): string[] {
  const tokens = "tokens" in token ? token.tokens : undefined;
  switch (token.type) {
    case "heading": {
      const text = inline(tokens);
      const underline = token.depth === 1 ? "=" : "-";
      return ["", text, underline.repeat(text.length), ""];
    }
    case "code":
      return ["", ...(token as Tokens.Code).text.split("\n").map((line) => `    ${line}`), ""];
    case "table":
      return tableOf(token as Tokens.Table, width);
    case "list":
      return [...(token as Tokens.List).items.flatMap((item) => itemOf(item, width)), ""];
    case "blockquote":
      return (tokens ?? []).flatMap((each) => blockOf(each, width - 2)).map((line) => `  ${line}`);
    case "space":
    case "html":
    case "def":
      return [""];
    case "hr":
      return ["", "-".repeat(width), ""];
    default:
      return [...wrapped(inline(tokens ?? [token]), width), ""];
  }
}

/** The first column is the entry's heading; the others follow by their names, where there are several. */
function tableOf({ header, rows }: Tokens.Table, width: number): string[] {
  const names = header.map(({ tokens }) => inline(tokens));
  return rows.flatMap((row) => {
    const [first = "", ...cells] = row.map(({ tokens }) => inline(tokens));
    const named = cells.flatMap((cell, index) => {
      if (cell === "") return [];
      const heading = names[index + 1] ?? "";
      // A sentence over a column is of no use in each row.
      const name = heading.length > maxName ? "" : heading;
      return wrapped(cells.length === 1 || name === "" ? cell : `${name}: ${cell}`, width - 4);
    });
    return ["", ...wrapped(first, width), ...named.map((line) => `    ${line}`)];
  });
}

function itemOf({ tokens }: Tokens.ListItem, width: number): string[] {
  const lines = tokens.flatMap((token) => blockOf(token, width - 4)).filter((line) => line !== "");
  return lines.map((line, index) => `${index === 0 ? "  - " : "    "}${line}`);
}

function inline(tokens: readonly Token[] | undefined): string {
  return (tokens ?? []).map(inlineOf).join("");
}

function inlineOf(token: Token): string {
  switch (token.type) {
    case "link": {
      const text = inline(token.tokens);
      const guide = /^(?!https?:)(?:.*\/)?([a-z-]+)\.md(?:#.*)?$/i.exec(String(token.href))?.[1];
      if (guide !== undefined) return asTopic(text, guide.toLowerCase());
      return /^https?:/.test(String(token.href)) && text !== token.href ? `${text} (${token.href})` : text;
    }
    case "codespan":
      return (token as Tokens.Codespan).text;
    case "br":
      return " ";
    case "html":
      return "";
    default:
      return "tokens" in token && token.tokens !== undefined ? inline(token.tokens) : (token as Tokens.Text).text;
  }
}

function asTopic(text: string, topic: string): string {
  return text.toLowerCase() === topic ? `"help ${topic}"` : `${text} (help ${topic})`;
}
