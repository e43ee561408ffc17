import { expect, test } from "vitest";
import { maybeMeant, nearest } from "../src/maybe-meant.ts";

test("what comes near is offered; else all there is to say", () => {
  expect(maybeMeant("renwe", ["renew"])).toBe('did you mean "renew"?');
  expect(maybeMeant("bsh", ["bash", "zsh", "fish"])).toBe('did you mean "bash"?');
  expect(maybeMeant("powershell", ["bash", "zsh", "fish"])).toBe("give bash, zsh or fish");
  expect(nearest("Phoenx", ["plug", "phoenix"])).toBe("phoenix");
  expect(nearest("x", ["ecto"])).toBeUndefined();
});
