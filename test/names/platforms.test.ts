import { expect, test } from "vitest";
import { isFor, parsePlatform, platformIn } from "../../src/names/platforms.ts";

test.each([
  ["libx-v1-nif-2.15-x86_64-unknown-linux-gnu.so.tar.gz", "x86_64-linux-gnu"],
  ["libx-v1-nif-2.15-aarch64-apple-darwin.so.tar.gz", "aarch64-darwin"],
  ["libx-v1-nif-2.15-arm-unknown-linux-gnueabihf.so.tar.gz", "arm-linux-gnu"],
  ["x-nif-2.16-x86_64-linux-musl-0.3.0.tar.gz", "x86_64-linux-musl"],
  ["libx-v1-nif-2.15-x86_64-pc-windows-msvc.dll.tar.gz", "x86_64-windows-msvc"],
  ["tailwindcss-linux-arm64-musl", "aarch64-linux-musl"],
  ["tailwindcss-macos-x64", "x86_64-darwin"],
  ["win32-x64-0.25.4.tgz", "x86_64-windows"],
  ["sharp-libvips-linuxmusl-arm64v8", undefined],
  ["linux/arm64", "aarch64-linux"],
  ["amd64-linux", "x86_64-linux"],
  ["xla_extension-0.10.0-x86_64-linux-gnu-cuda12.tar.gz", "x86_64-linux-gnu-cuda12"],
  ["xla_extension-0.10.0-x86_64-linux-gnu-cpu.tar.gz", "x86_64-linux-gnu"],
  ["/x86_64", undefined],
  ["toString-constructor", undefined],
])("%s is for %s", (name, shown) => {
  const platform = parsePlatform(name);
  const parts = [platform?.arch, platform?.os, platform?.abi, platform?.accelerator];
  expect(parts.filter((part) => part !== undefined).join("-")).toBe(shown ?? "");
});

test("what a name does not say fits any, and all fits everything", () => {
  const linux = [{ arch: "x86_64", os: "linux", abi: "gnu" }];
  const names = ["x-linux.tgz", "x-x86_64-linux-gnu", "x-x86_64-linux-musl", "x-aarch64-linux-gnu", "checksums.txt"];
  expect(names.filter((name) => isFor(name, linux))).toEqual([names[0], names[1], names[4]]);
  expect(names.filter((name) => isFor(name, "all"))).toEqual(names);
  expect(platformIn("-")).toEqual({});
});

test("what is for an accelerator is for those who name it", () => {
  const of = (name: string) => [parsePlatform(name)].filter((platform) => platform !== undefined);
  const [cpu, cuda] = ["x-x86_64-linux-gnu-cpu.gz", "x-x86_64-linux-gnu-cuda12.gz"];
  const fitting = (target: string) => [cpu, cuda].filter((name) => isFor(name, of(target)));
  expect(fitting("x86_64-linux-gnu")).toEqual([cpu]);
  expect(fitting("x86_64-linux-gnu-cuda12")).toEqual([cpu, cuda]);
  expect(fitting("x86_64-linux-gnu-tpu")).toEqual([cpu]);
});
