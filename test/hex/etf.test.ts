import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { encodeEtf, type Json } from "../../src/hex/etf.ts";
import { isInstalled } from "../support/clients.ts";
import { temporaryFolder } from "../support/folder.ts";

const value: Json = {
  name: "jason",
  text: "ż – 🎉",
  empty: "",
  none: null,
  yes: true,
  no: false,
  list: ["a", ["b"], []],
  map: { "1.0.0": { reason: "security" } },
  numbers: [0, -1, 2 ** 31 - 1, 2 ** 40, 1.5],
};

test("is the format by its specification", () => {
  expect(encodeEtf({ a: [null] })).toEqual(
    Buffer.from([131, 116, 0, 0, 0, 1, 109, 0, 0, 0, 1, 97, 108, 0, 0, 0, 1, 119, 3, 110, 105, 108, 106]),
  );
});

describe.skipIf(!isInstalled("erl", "-noshell", "-eval", "halt()."))("Erlang", () => {
  test("reads it, in its safe mode, as the term that is meant", async () => {
    const cwd = await temporaryFolder();
    await writeFile(join(cwd, "term"), encodeEtf(value));
    const script = `
      {ok, Bytes} = file:read_file("term"),
      _ = nil,
      #{<<"name">> := <<"jason">>, <<"none">> := nil, <<"yes">> := true, <<"no">> := false, <<"empty">> := <<>>,
        <<"list">> := [<<"a">>, [<<"b">>], []], <<"map">> := #{<<"1.0.0">> := #{<<"reason">> := <<"security">>}},
        <<"numbers">> := [0, -1, 2147483647, Large, 1.5], <<"text">> := Text} = binary_to_term(Bytes, [safe]),
      true = Large == 1099511627776,
      ok = file:write_file("text", Text), halt().`;
    const { stdout, stderr } = spawnSync("erl", ["-noshell", "-eval", script.replace(/\s+/g, " ")], {
      cwd,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] ?? "", LANG: "C.UTF-8", HOME: "/nonexistent" },
      timeout: 60_000,
    });
    expect([stdout, stderr]).toEqual(["", ""]);
    expect(await readFile(join(cwd, "text"), "utf8")).toBe("ż – 🎉");
  });
});
