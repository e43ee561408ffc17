/**
 * Work that looks at the disk for whoever asks: all who ask before it begins share it, and who asks later gets the next,
 * so that nobody is told what was so before the question. One at a time.
 */
export function shareNext<T>(work: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | undefined;
  let running: Promise<unknown> = Promise.resolve();
  const begin = async (): Promise<T> => {
    await running;
    // Those whose requests came with this poll are in by then.
    await new Promise((resolve) => setImmediate(resolve));
    next = undefined;
    const result = work();
    running = result.catch(() => undefined);
    return result;
  };
  return () => (next ??= begin());
}
