/** Which addresses belong to this machine or its network, however they are written. */
import { expect, test } from "vitest";
import { isPrivateAddress, isPrivateHost } from "../../src/upstream/private-address.ts";

test.each([
  "127.0.0.1",
  "127.255.0.9",
  "0.0.0.0",
  "10.2.3.4",
  "172.31.0.1",
  "192.168.1.1",
  "169.254.169.254",
  "100.64.0.1",
  "::",
  "::1",
  "fe80::1%eth0",
  "fd00::1",
  "::ffff:127.0.0.1",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b::a00:1",
  "2002:7f00:1::",
  "fec0::1",
])("%s does", (address) => {
  expect(isPrivateAddress(address)).toBe(true);
});

test.each([
  "8.8.8.8",
  "172.32.0.1",
  "100.128.0.1",
  "2606:4700::1111",
  "::ffff:8.8.8.8",
  "64:ff9b::808:808",
  "2002:808:808::",
])("%s does not", (address) => {
  expect(isPrivateAddress(address)).toBe(false);
});

test("a host is told by any of its addresses, with brackets or without; one that nobody knows is no neighbour", async () => {
  expect(
    await Promise.all(["localhost", "[::1]", "127.0.0.1", "8.8.8.8", "nowhere.invalid"].map(isPrivateHost)),
  ).toEqual([true, true, true, false, false]);
});
