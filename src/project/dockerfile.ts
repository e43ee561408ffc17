/** What an image that is built from a Dockerfile starts with. Pure. */
import { DockerfileParser, type Cmd, type Dockerfile, type Entrypoint } from "dockerfile-ast";
import * as z from "zod";
import { parseJson } from "../text.ts";

interface Start {
  /** undefined: that of the image that it begins with. */
  readonly entrypoint: readonly string[] | undefined;
  readonly command: readonly string[] | undefined;
  /** The image that it begins with. */
  readonly base: string | undefined;
}

/** @param target the stage that is meant; undefined: the last one */
export function startOf(text: string, target: string | undefined): Start {
  const dockerfile: Dockerfile = DockerfileParser.parse(text);
  const stages = dockerfile.getFROMs().map((from) => ({
    name: from.getBuildStage()?.toLowerCase(),
    image: from.getImage() ?? undefined,
    from: from.getRange().start.line,
  }));
  const ends = stages.map((_, index) => stages[index + 1]?.from ?? Number.POSITIVE_INFINITY);
  const within = (each: Cmd | Entrypoint, index: number) => {
    const { line } = each.getRange().start;
    return line >= (stages[index]?.from ?? 0) && line < (ends[index] ?? 0);
  };
  let entrypoint: readonly string[] | undefined;
  let command: readonly string[] | undefined;
  let index = target === undefined ? stages.length - 1 : stages.findIndex(({ name }) => name === target.toLowerCase());
  for (;;) {
    const here = index;
    const own = dockerfile.getENTRYPOINTs().findLast((each) => within(each, here));
    // An entrypoint of its own takes away the command of what it begins with.
    command ??=
      entrypoint === undefined ? wordsOf(dockerfile.getCMDs().findLast((each) => within(each, here))) : command;
    entrypoint ??= wordsOf(own);
    const { image } = stages[index] ?? {};
    const earlier = stages.findIndex(
      ({ name }, at) => at < here && name !== undefined && name === image?.toLowerCase(),
    );
    if (earlier === -1) return { entrypoint, command, base: image };
    index = earlier;
  }
}

/** A text that is no list is for a shell. */
function wordsOf(instruction: Cmd | Entrypoint | undefined): readonly string[] | undefined {
  if (instruction === undefined) return undefined;
  // Lines of comments within an instruction are left out before lines are joined.
  const text = (instruction.getRawArgumentsContent() ?? "").replace(/^[ \t]*#[^\n]*\n/gm, "").replace(/\\\r?\n/g, "");
  const list = z.array(z.string()).safeParse(parseJson(text));
  return list.success ? list.data : ["/bin/sh", "-c", text];
}
