/**
 * Listening for an end that may have come already. A listener that is added after an `await` hears nothing of what
 * happened meanwhile, and what should have been cleaned up then stays for ever; so each of these asks first. Nothing
 * else in `src/` adds a listener for `abort`, and none for the `close` of a connection (`.oxlintrc.json`).
 */
import type { EventEmitter } from "node:events";

const nothing = (): void => undefined;

/** Calls `listener` once: when the signal is aborted, or now if it was. @returns takes the listener away */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    listener();
    return nothing;
  }
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}

/** What has an end that it tells by `close`: a stream, a socket, an answer. */
export interface Closable extends EventEmitter {
  readonly closed: boolean;
  readonly destroyed: boolean;
}

/** Calls `listener` once: when it is closed, or now if it was. @returns takes the listener away */
export function onClose(closable: Closable, listener: () => void): () => void {
  // An answer whose connection is gone is destroyed, and may never tell that it is closed.
  if (closable.closed || closable.destroyed) {
    listener();
    return nothing;
  }
  closable.once("close", listener);
  return () => closable.removeListener("close", listener);
}

/**
 * Calls `listener` once: when the answer is done with, or its connection is. An answer that waits behind another on its
 * connection never hears that the connection has gone.
 */
export function onGone(answer: Closable, connection: Closable, listener: () => void): void {
  let isCalled = false;
  const stops: (() => void)[] = [];
  const call = () => {
    if (isCalled) return;
    isCalled = true;
    for (const stop of stops) stop();
    listener();
  };
  stops.push(onClose(answer, call));
  if (!isCalled) stops.push(onClose(connection, call));
}

/** What the work comes to, or the signal's reason where that is aborted first: for work that hears of no end by itself. */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(nothing);
  let forget = nothing;
  const aborted = new Promise<never>((_resolve, reject) => {
    forget = onAbort(signal, () => reject(signal.reason as Error));
  });
  return Promise.race([work, aborted]).finally(forget);
}

/** Resolves when the signal is aborted, or at once if it was. */
export async function aborted(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => onAbort(signal, resolve));
}
