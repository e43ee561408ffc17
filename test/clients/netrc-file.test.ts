import { expect, test } from "vitest";
import { netrcFile, readNetrc } from "../../src/clients/netrc-file.ts";

test("the user's entries are read in any form, and written in the one that Hex takes", () => {
  const users = readNetrc(`# mine
machine one.example login me password s3cret
machine two.example
  login you
  account x
  password "quoted"
macdef init
cd /pub
machine inside.example login no password no

default login anonymous password guest
machine 127.0.0.1 login old password old
machine lacks.example login only
`);
  expect(users.map(({ machine }) => machine)).toEqual(["one.example", "two.example", "127.0.0.1"]);
  expect(netrcFile("http://127.0.0.1:8000", "t0ken", users)).toBe(
    'machine one.example\nlogin me\npassword s3cret\nmachine two.example\nlogin you\npassword "quoted"\n' +
      "machine 127.0.0.1\nlogin mirror-server\npassword t0ken\n",
  );
});

test("an address in brackets is named as Hex looks for it, and a token that cannot be sent is refused", () => {
  expect(netrcFile("http://[::1]:8000", "t", [])).toBe("machine ::1\nlogin mirror-server\npassword t\n");
  expect(() => netrcFile("http://localhost", "two words", [])).toThrow(/holds a space/);
});

test.each(["", "\n\n", "machine", "password x", "login a password b", "\0\u00ff machine \n x"])(
  "%j has no entry",
  (text) => {
    expect(readNetrc(text)).toEqual([]);
  },
);
