import { MirrorError } from "../errors.ts";
import { position } from "./elixir-terms.ts";

/** @param remedy the command that writes the lock anew @throws MirrorError `lock_syntax` */
export function refuseConflictMarkers(source: string, where: string, remedy: string): void {
  const marker = /^(?:<{7}|>{7}|\|{7}) .*$|^={7}$/m.exec(source);
  if (marker === null) return;
  const { line } = position(source, marker.index);
  throw new MirrorError(
    "lock_syntax",
    `${where}:${line}:1: git left conflict markers here; resolve the merge first (run "${remedy}" after it)`,
    { data: { line, column: 1 } },
  );
}
