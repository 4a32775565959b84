/** Source paths as the compiler saw them, and where they are for the person who debugs. */
import { existsSync } from 'node:fs';
import { isAbsolute, normalize, posix, sep } from 'node:path';

const slashed = (path: string): string => (sep === '\\' ? path.replaceAll('\\', '/') : path);

export class SourcePaths {
  private readonly known = new Map<string, boolean>();

  constructor(private readonly map: readonly (readonly [from: string, to: string])[]) {}

  /** Where a compiled path is here. */
  local(compiled: string): string {
    for (const [from, to] of this.map) {
      const prefix = from.endsWith('/') ? from : `${from}/`;
      if (compiled === from) return normalize(to);
      if (compiled.startsWith(prefix)) return normalize(`${to}/${compiled.slice(prefix.length)}`);
    }
    return normalize(compiled);
  }

  exists(local: string): boolean {
    let known = this.known.get(local);
    if (known === undefined) this.known.set(local, (known = isAbsolute(local) && existsSync(local)));
    return known;
  }

  /** Which of the compiled paths a local file is: by the map, else the one with the longest common tail. */
  compiled(local: string, candidates: readonly string[]): string[] {
    const wanted = posix.normalize(slashed(local));
    const exact = candidates.filter((candidate) => slashed(this.local(candidate)) === wanted);
    if (exact.length > 0) return exact;
    const parts = wanted.split('/').reverse();
    const tail = (candidate: string): number => {
      const other = candidate.split('/').reverse();
      let count = 0;
      while (count < parts.length && count < other.length && parts[count] === other[count]) count++;
      return count;
    };
    const scored = candidates.map((candidate) => ({ candidate, score: tail(candidate) })).filter(({ score }) => score > 0);
    const best = Math.max(0, ...scored.map(({ score }) => score));
    return scored.filter(({ score }) => score === best).map(({ candidate }) => candidate);
  }
}
