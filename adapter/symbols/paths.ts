/** Source paths as the compiler saw them, and where they are for the person who debugs. */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize, posix, sep } from 'node:path';

const slashed = (path: string): string => (sep === '\\' ? path.replaceAll('\\', '/') : path);

/** How many folders above a symbol file are looked through for its sources. */
const LEVELS = 4;

export class SourcePaths {
  private readonly known = new Map<string, boolean>();
  private readonly found = new Map<string, string>();
  private folders: string[] = [];

  constructor(private readonly map: readonly (readonly [from: string, to: string])[]) {}

  /** Where a compiled path is here. */
  local(compiled: string): string {
    for (const [from, to] of this.map) {
      const prefix = from.endsWith('/') ? from : `${from}/`;
      if (compiled === from) return normalize(to);
      if (compiled.startsWith(prefix)) return normalize(`${to}/${compiled.slice(prefix.length)}`);
    }
    const plain = normalize(compiled);
    const known = this.found.get(compiled);
    if (known !== undefined) return known;
    const here = this.exists(plain) ? plain : (this.beside(compiled) ?? plain);
    this.found.set(compiled, here);
    return here;
  }

  /** Sources are also looked for in and above this folder: programs are moved together with them. */
  addFolder(folder: string): void {
    if (this.folders.includes(folder)) return;
    this.folders.push(folder);
    this.found.clear();
  }

  /** The longest tail of a compiled path that exists in or above a symbol file's folder. */
  private beside(compiled: string): string | undefined {
    const parts = compiled.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
    for (let length = parts.length; length > 0; length--) {
      const tail = parts.slice(-length).join(sep);
      for (const folder of this.folders) {
        let level = folder;
        // A bare name is looked for beside the symbol file alone: elsewhere it would be somebody else's.
        for (let up = 0; up < (length > 1 ? LEVELS : 1); up++, level = dirname(level)) {
          const candidate = join(level, tail);
          if (this.exists(candidate)) return candidate;
        }
      }
    }
    return undefined;
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
