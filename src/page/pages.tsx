/** All pages, for who sends them. */
import type { ComponentProps, VNode } from "preact";
import type { Answered, Work } from "../facts/shape.ts";
import { ClientsPage } from "./clients.tsx";
import { FilesPage } from "./files.tsx";
import { GitPage, RepositoryPage } from "./git.tsx";
import type { Frame } from "./layout.tsx";
import { LivePage, RequestRow, Works } from "./live.tsx";
import { LoginPage, NotHeldPage } from "./login.tsx";
import { PackagePage, PackagesPage } from "./packages.tsx";
import { renderToString } from "preact-render-to-string";
import { StatusPage } from "./status.tsx";

export function render(page: VNode): string {
  return `<!doctype html>${renderToString(page)}`;
}

export const status = (of: ComponentProps<typeof StatusPage>) => <StatusPage {...of} />;
export const packages = (of: ComponentProps<typeof PackagesPage>) => <PackagesPage {...of} />;
export const onePackage = (of: ComponentProps<typeof PackagePage>) => <PackagePage {...of} />;
export const git = (of: ComponentProps<typeof GitPage>) => <GitPage {...of} />;
export const repository = (of: ComponentProps<typeof RepositoryPage>) => <RepositoryPage {...of} />;
export const files = (of: ComponentProps<typeof FilesPage>) => <FilesPage {...of} />;
export const clients = (of: ComponentProps<typeof ClientsPage>) => <ClientsPage {...of} />;
export const live = (of: ComponentProps<typeof LivePage>) => <LivePage {...of} />;
export const login = (of: ComponentProps<typeof LoginPage>) => <LoginPage {...of} />;
export const notHeld = (what: string, frame: Frame) => <NotHeldPage what={what} frame={frame} />;

/** Parts that a page which is open gets as they come. */
export const requestPart = (of: Answered) => renderToString(<RequestRow of={of} />);
export const worksPart = (works: readonly Work[]) => renderToString(<Works works={works} />);
