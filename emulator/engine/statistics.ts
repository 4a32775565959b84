import { hostCount, hostName } from './host';

/** What the engine has done so far. Nothing of it shows in the guest. */
export interface EngineStatistics {
  /** Instructions that compiled code has run, about. */
  readonly compiledInstructions: number;
  readonly tlb: { readonly misses: number; readonly flushes: number };
  readonly regions: {
    /** Made so far; in so many modules of so many bytes. */
    readonly made: number;
    readonly modules: number;
    readonly bytes: number;
    /** Given up because their code changed. */
    readonly dropped: number;
    /** Host time that making them took; V8's own compiler works beside. */
    readonly milliseconds: number;
  };
  /** Why generated code was left for the host, and how often; system instructions by name. */
  readonly exits: Readonly<Record<string, number>>;
}

/** Causes that are counted beside system instructions. */
export type Cause = 'port read' | 'port write' | 'device read' | 'device write' | 'interrupt' | 'exception' | 'slice end';

/** Counts exits by cause. */
export class ExitCounts {
  private readonly causes: Record<Cause, number> = {
    'port read': 0,
    'port write': 0,
    'device read': 0,
    'device write': 0,
    interrupt: 0,
    exception: 0,
    'slice end': 0,
  };
  private readonly instructions = new Uint32Array(hostCount);

  add(cause: Cause): void {
    this.causes[cause]++;
  }
  instruction(number: number): void {
    this.instructions[number]!++;
  }

  get all(): Readonly<Record<string, number>> {
    const named = [...this.instructions].map((count, number) => [hostName(number), count] as const);
    return Object.fromEntries([...Object.entries(this.causes), ...named].filter(([, count]) => count > 0));
  }
}
