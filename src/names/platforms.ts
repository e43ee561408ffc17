/**
 * Which machines a file is for, by its name, and which are asked for: `x86_64-unknown-linux-gnu`, `aarch64-apple-darwin`,
 * `linux-x64-musl`, `linux/arm64` are all understood, as those who name files write them. Pure.
 */
export interface Platform {
  /** As GNU writes it: `x86_64`, `aarch64`, `arm` */
  readonly arch: string;
  /** `linux`, `darwin`, `windows`, `freebsd` */
  readonly os: string;
  /** `gnu`, `musl`, `msvc`; undefined: any. */
  readonly abi: string | undefined;
  /** `cuda12`, `rocm`, `tpu`: what is made for one is large, and for nobody else; undefined: none. */
  readonly accelerator?: string | undefined;
}

/** Which are asked for. */
export type Targets = "all" | readonly Platform[];

/** By the name that stands for it, the others. */
const archs = byName({
  x86_64: "amd64 x64",
  i686: "i386 ia32 x86",
  aarch64: "arm64",
  arm: "armv7l armv7 armv6",
  riscv64: "riscv64gc",
  powerpc64le: "ppc64le",
  s390x: "",
});
const systems = byName({
  linux: "linuxmusl",
  darwin: "macos apple",
  windows: "win32",
  freebsd: "",
  openbsd: "",
  netbsd: "",
});
const abis: readonly (readonly [RegExp, string])[] = [
  [/musl/, "musl"],
  [/gnu/, "gnu"],
  [/^msvc$/, "msvc"],
];

/** What a name says of them; what it does not say is undefined. */
export function platformIn(name: string): Partial<Platform> {
  const words = name.toLowerCase().split(/[^a-z0-9_]+/);
  const first = (table: ReadonlyMap<string, string>) =>
    words.map((word) => table.get(word)).find((found) => found !== undefined);
  const abi = words.flatMap((word) => abis.flatMap(([pattern, found]) => (pattern.test(word) ? [found] : []))).at(0);
  const [arch, os] = [first(archs), first(systems)];
  const accelerator = words.find((word) => /^(?:cuda\d*|rocm|tpu)$/.test(word));
  return {
    ...(arch === undefined ? {} : { arch }),
    ...(os === undefined ? {} : { os }),
    ...(abi === undefined ? {} : { abi }),
    ...(accelerator === undefined ? {} : { accelerator }),
  };
}

/** What a person names; undefined for what names no processor and system. */
export function parsePlatform(text: string): Platform | undefined {
  const { arch, os, abi, accelerator } = platformIn(text);
  return arch === undefined || os === undefined ? undefined : { arch, os, abi, accelerator };
}

/** Whether a file of that name may be for one of them: what it does not say fits any, but for accelerators. */
export function isFor(name: string, targets: Targets): boolean {
  if (targets === "all") return true;
  const said = platformIn(name);
  const fits = (target: Platform) =>
    (["arch", "os", "abi"] as const).every(
      (key) => said[key] === undefined || target[key] === undefined || said[key] === target[key],
    );
  return targets.some(
    (target) => fits(target) && (said.accelerator === undefined || said.accelerator === target.accelerator),
  );
}

function byName(others: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(others).flatMap(([name, more]) =>
      [name, ...more.split(" ").filter((each) => each !== "")].map((each) => [each, name] as const),
    ),
  );
}
