/** Waiting for what is wanted rather than for time: it does not matter how slow the machine is. */

export const PATIENCE_MS = 120_000;
/** For one attempt of several. */
export const ATTEMPT_MS = 10_000;
const BETWEEN_MS = 100;

/**
 * Asks, or tries, again and again. What fails counts as not yet: views are drawn anew while they are looked at.
 * `problem` is what is wrong if it never comes.
 */
export async function until(done: () => Promise<boolean> | boolean, problem: () => string, milliseconds = PATIENCE_MS): Promise<void> {
  let last: unknown;
  for (const end = Date.now() + milliseconds; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS))) {
    last = undefined;
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(problem(), { cause: last });
}
