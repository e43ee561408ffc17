/** Inputs that are nearly right: a sample, changed in a few places; now and then bytes of no kind at all. */
import * as fc from "fast-check";

// What readers tell apart, and what their numbers end at.
const tokens = [
  "\0",
  "\xff",
  "\x7f",
  "\x80",
  "\n",
  "\r\n",
  "\t",
  " ",
  '"',
  "'",
  "\\",
  "/",
  "..",
  ":",
  "@",
  "#",
  "%",
  "{",
  "}",
  "[",
  "]",
]
  .concat([
    "<<",
    ">>",
    "=>",
    "0000",
    "0001",
    "ffff",
    "-1",
    "0",
    "4294967296",
    "9".repeat(30),
    "1e400",
    "\u{1f600}",
    "%2e%2e%2f",
  ])
  .map((token) => Buffer.from(token, "latin1"));

type Edit =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "cut" | "repeat" | "end"; readonly at: number; readonly length: number; readonly times: number };

const at = fc.double({ min: 0, max: 1, noNaN: true });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at, bit: fc.nat(7) }),
  fc.record({
    kind: fc.constant("insert" as const),
    at,
    bytes: fc.oneof(fc.constantFrom(...tokens), fc.uint8Array({ maxLength: 8 })),
  }),
  fc.record({
    kind: fc.constantFrom("cut" as const, "repeat" as const, "end" as const),
    at,
    length: fc.oneof(fc.nat(16), fc.nat(400)),
    times: fc.oneof({ weight: 20, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.constant(2000) }),
  }),
);

export function nearly(samples: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const changed = fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { minLength: 1, maxLength: 6 }))
    .map(([sample, edits]) => edits.reduce(apply, Buffer.from(sample)));
  const spliced = fc
    .tuple(fc.constantFrom(...samples), fc.constantFrom(...samples), at, at)
    .map(([one, other, to, from]) =>
      Buffer.concat([one.subarray(0, Math.floor(to * one.length)), other.subarray(Math.floor(from * other.length))]),
    );
  const any = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 8, arbitrary: changed }, { weight: 1, arbitrary: spliced }, { weight: 1, arbitrary: any });
}

function apply(bytes: Buffer, change: Edit): Buffer {
  const where = Math.floor(change.at * bytes.length);
  const [before, after] = [bytes.subarray(0, where), bytes.subarray(where)];
  switch (change.kind) {
    case "flip": {
      const flipped = Buffer.from(bytes);
      flipped[where] = (flipped[where] ?? 0) ^ (1 << change.bit);
      return flipped;
    }
    case "insert":
      return Buffer.concat([before, change.bytes, after]);
    case "cut":
      return Buffer.concat([before, after.subarray(change.length)]);
    case "repeat":
      return Buffer.concat([
        before,
        ...Array.from({ length: change.times }, () => after.subarray(0, change.length)),
        after,
      ]);
    case "end":
      return before;
  }
}
