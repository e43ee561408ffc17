/** What all pages have around them. */
import type { ComponentChildren } from "preact";

/** What of the server and of the request every page needs. */
export interface Frame {
  readonly version: string;
  readonly mode: "offline" | "pulling";
  /** Whether the reader logged in, and may log out. */
  readonly isLoggedIn: boolean;
}

export const rooms = [
  ["/", "Status"],
  ["/ui/packages", "Packages"],
  ["/ui/git", "Git"],
  ["/ui/files", "Files"],
  ["/ui/clients", "Set up a client"],
  ["/ui/live", "Live"],
] as const;

export type Room = (typeof rooms)[number][0];

export function Layout({
  title,
  room,
  frame,
  children,
}: {
  readonly title: string;
  /** Which one it is in; undefined: before one is in. */
  readonly room: Room | undefined;
  readonly frame: Frame | undefined;
  readonly children: ComponentChildren;
}) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>{`${title} · mirror-server`}</title>
        <link rel="icon" href="/ui/assets/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/ui/assets/style.css" />
        <script src="/ui/assets/script.js" defer />
      </head>
      <body>
        <a class="skip" href="#main">
          To the content
        </a>
        <header class="top">
          <div class="bar">
            <a class="brand" href="/">
              <img src="/ui/assets/icon.svg" alt="" width="28" height="28" />
              mirror-server
            </a>
            {frame === undefined ? null : (
              <nav aria-label="Rooms">
                <ul>
                  {rooms.map(([path, name]) => (
                    <li key={path}>
                      <a href={path} aria-current={path === room ? "page" : undefined}>
                        {name}
                      </a>
                    </li>
                  ))}
                </ul>
              </nav>
            )}
            {frame?.isLoggedIn === true ? (
              <form method="post" action="/logout">
                <button type="submit">Log out</button>
              </form>
            ) : null}
          </div>
        </header>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
        <footer>
          {frame === undefined
            ? "mirror-server"
            : `mirror-server ${frame.version}, ${frame.mode === "pulling" ? "fetching what it does not hold" : "offline"}. `}
          {frame === undefined ? null : (
            <>
              For programs: <a href="/api/mirror">JSON</a>, <a href="/api/mirror/openapi.json">OpenAPI</a>,{" "}
              <a href="/health">health</a>
            </>
          )}
        </footer>
      </body>
    </html>
  );
}
