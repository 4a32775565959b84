import type { Machine } from './machine';
import { BACKING } from './platform';

/** Time of the host between two looks at the variable store while the guest runs. */
const INTERVAL_MS = 1000;

/** Brings what the guest changes in its variable store to where it came from. The guest knows nothing of it. */
export class VariableStore {
  private readonly last: { writes: number; at: number };
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly machine: Machine,
    private readonly write: (bytes: Uint8Array) => Promise<void>,
    private readonly failed: (message: string) => void,
  ) {
    this.last = { writes: this.writes, at: 0 };
  }

  private get flash(): Machine['board']['flash'][number] | undefined {
    return this.machine.board.flash.find(({ name }) => name === BACKING.vars);
  }
  private get writes(): number {
    return this.flash?.state.writes ?? 0;
  }

  /** While the guest runs: now and then. */
  look(now: number): void {
    if (now - this.last.at < INTERVAL_MS) return;
    this.last.at = now;
    void this.keep();
  }

  /** Writes the store as it is now, if it has changed since it was written; resolves when the file has it. */
  keep(): Promise<void> {
    const { flash, last, writes } = this;
    if (flash && writes !== last.writes) {
      last.writes = writes;
      const bytes = Uint8Array.from(flash.contents);
      this.writing = this.writing.then(() => this.write(bytes)).catch((error: unknown) => this.failed(error instanceof Error ? error.message : String(error)));
    }
    return this.writing;
  }
}
