/**
 * How long we wait for others, in one table: patient with what moves, however slowly, and not with what is silent.
 * Seconds, unless it says otherwise.
 */
export interface Limits {
  /** From the connection to the first byte of an answer. */
  readonly firstByte: number;
  /** Nobody of a host's has answered for so long, while several wait: the host is taken for away. */
  readonly silence: number;
  /** The same for one who waits alone, at a host that has never answered. */
  readonly lonelySilence: number;
  /** Likewise for answers that are errors, all of them. */
  readonly unwell: number;
  /** How soon a host that was away has to answer the one who tries it. */
  readonly probe: number;
  /** An answer of which less arrives, on average of that time, stands still. */
  readonly window: number;
  /** Bytes a second. */
  readonly lowestSpeed: number;
  /** A transfer has this long, and as much more as its size takes at the speed below. */
  readonly leastTime: number;
  /** Bytes a second. */
  readonly slowestAverage: number;
  /** How often one thing is asked for in one go, while what goes wrong is of the kind that passes. */
  readonly tries: number;
  /** For git, where one thing is several requests. */
  readonly gitTries: number;
  /** Before the second try; doubled with each further one, and shortened at random. */
  readonly pause: number;
  readonly longestPause: number;
  /** For longer nobody waits because upstream says so. */
  readonly longestRetryAfter: number;
}

export const usualLimits: Limits = {
  firstByte: 30,
  silence: 10,
  lonelySilence: 12,
  unwell: 15,
  probe: 5,
  window: 15,
  lowestSpeed: 100,
  leastTime: 60,
  slowestAverage: 1000,
  tries: 4,
  gitTries: 6,
  pause: 0.3,
  longestPause: 5,
  longestRetryAfter: 60,
};
