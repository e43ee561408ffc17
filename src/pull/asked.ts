/**
 * When upstream was last asked for what can change, and when what is held was last used: in memory, and now and then in the
 * cache folder. The mirror knows no clock; losing this costs a question, nothing else.
 */
import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import * as z from "zod";
import type { Place } from "../disk/place.ts";
import { jsonText, readJson } from "../store/json-file.ts";

const answerSchema = z.object({
  /** Milliseconds since 1970. */
  at: z.number(),
  /** Upstream has nothing of that name. */
  isAbsent: z.literal(true).optional(),
});
const schema = z.object({ asked: z.record(z.string(), answerSchema), used: z.record(z.string(), z.number()) });

export type Answered = z.infer<typeof answerSchema>;

// Of each; with more, the oldest are forgotten.
const maxEntries = 50_000;
// Milliseconds between two writings, as long as something changes.
const usualPause = 60_000;

export class Asked {
  private readonly file: Place;
  private readonly answers = new LRUCache<string, Answered>({ max: maxEntries });
  private readonly uses = new LRUCache<string, number>({ max: maxEntries });
  private timer: NodeJS.Timeout | undefined;

  private constructor(file: Place) {
    this.file = file;
  }

  /** @param mirror whose it is: each has a file of its own */
  static async open(cache: Place, mirror: Place): Promise<Asked> {
    const asked = new Asked(fileOf(cache, mirror));
    const before = await readJson({ place: asked.file, schema, whenDamaged: "counts as none" }).catch(() => undefined);
    const now = Date.now();
    for (const [key, answer] of Object.entries(before?.asked ?? {}))
      if (answer.at <= now) asked.answers.set(key, answer);
    for (const [key, at] of Object.entries(before?.used ?? {})) if (at <= now) asked.uses.set(key, at);
    return asked;
  }

  get(key: string): Answered | undefined {
    return this.answers.get(key);
  }

  set(key: string, { isAbsent }: Omit<Answered, "at"> = {}): void {
    this.answers.set(key, { at: Date.now(), ...(isAbsent === true ? { isAbsent } : {}) });
    this.saveLater();
  }

  used(key: string): void {
    this.uses.set(key, Date.now());
    this.saveLater();
  }

  lastUse(key: string): number | undefined {
    return this.uses.peek(key);
  }

  async save(): Promise<void> {
    clearTimeout(this.timer);
    if (this.timer === undefined) return;
    this.timer = undefined;
    const content = { asked: Object.fromEntries(this.answers.dump().map(([key, { value }]) => [key, value])) };
    const used = Object.fromEntries(this.uses.dump().map(([key, { value }]) => [key, value]));
    await this.file.write(jsonText({ ...content, used }));
  }

  private saveLater(): void {
    // A cache folder that cannot be used costs questions.
    this.timer ??= setTimeout(() => void this.save().catch(() => undefined), usualPause).unref();
  }
}

/** `CACHE/pulled/0f1e….json` */
function fileOf(cache: Place, mirror: Place): Place {
  const name = createHash("sha256").update(mirror.path).digest("hex").slice(0, 32);
  return cache.at(`pulled/${name}.json`);
}
