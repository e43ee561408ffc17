/**
 * Writes Erlang's external term format, in which Hex clients ask for API answers. Only what such answers hold: maps
 * with text keys, lists, texts as UTF-8 binaries, numbers, `true`, `false` and `nil`.
 * https://www.erlang.org/doc/apps/erts/erl_ext_dist.html
 */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const version = 131;

export function encodeEtf(value: Json): Buffer {
  const parts: Buffer[] = [Buffer.from([version])];
  write(value, parts);
  return Buffer.concat(parts);
}

function write(value: Json, parts: Buffer[]): void {
  if (value === null) parts.push(atom("nil"));
  else if (typeof value === "boolean") parts.push(atom(String(value)));
  else if (typeof value === "number") parts.push(number(value));
  else if (typeof value === "string") parts.push(binary(value));
  else if (isList(value)) {
    if (value.length > 0) parts.push(tagged(108, value.length));
    for (const item of value) write(item, parts);
    // The empty list, which ends every other.
    parts.push(Buffer.from([106]));
  } else {
    const entries = Object.entries(value);
    parts.push(tagged(116, entries.length));
    for (const [key, item] of entries) {
      parts.push(binary(key));
      write(item, parts);
    }
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function atom(name: string): Buffer {
  return Buffer.concat([Buffer.from([119, name.length]), Buffer.from(name)]);
}

function binary(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  return Buffer.concat([tagged(109, bytes.length), bytes]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(9);
  if (Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    bytes.writeUInt8(98);
    bytes.writeInt32BE(value, 1);
    return bytes.subarray(0, 5);
  }
  bytes.writeUInt8(70);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

function tagged(tag: number, length: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(tag);
  bytes.writeUInt32BE(length, 1);
  return bytes;
}
