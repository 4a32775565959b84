import type { Condition, HitCount, Position, Trigger } from './api';
import { compile, compileLog, type Evaluate, type ExpressionContext } from './expression';

/** So many hits are remembered one by one. */
const REMEMBERED = 1 << 22;

function counted({ compare, value }: HitCount, count: number): boolean {
  switch (compare) {
    case '==':
      return count === value;
    case '>=':
      return count >= value;
    case '>':
      return count > value;
    case '%':
      return value > 0 && count % value === 0;
  }
}

/** How many of them are at most `position`. */
function upTo(positions: readonly Position[], position: Position): number {
  let [low, high] = [0, positions.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (positions[middle]! <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * A trigger with its condition compiled and its hits counted. The count belongs to a position: it is the same
 * whenever the machine is there, whichever way it came. Hits count from where the trigger was set; before
 * that, from the beginning of the history.
 */
export class Armed<T extends Trigger = Trigger> {
  private readonly condition: Evaluate | undefined;
  private readonly message: ((context: ExpressionContext) => string) | undefined;
  private met: Position[] = [];
  private forgotten = 0;

  /** Throws EmulatorError with blame `user` for a condition or message that is none. */
  constructor(
    readonly trigger: T,
    private readonly since: Position,
  ) {
    const { condition, log }: { condition?: Condition; log?: string } = trigger;
    this.condition = condition === undefined ? undefined : compile(condition);
    this.message = log === undefined ? undefined : compileLog(log);
  }

  get counts(): boolean {
    return this.trigger.hits !== undefined;
  }
  get logs(): boolean {
    return this.message !== undefined;
  }

  /** Whether condition and hit count hold; a hit is counted once at a position. */
  holds(position: Position, context: ExpressionContext): boolean {
    // A condition that can't be evaluated stops: better once too often than never.
    if (this.condition && this.condition(context) === 0n) return false;
    const { hits } = this.trigger;
    return !hits || counted(hits, this.count(position));
  }

  log(context: ExpressionContext): string | undefined {
    return this.message?.(context);
  }

  private count(position: Position): number {
    const { met, since } = this;
    const index = upTo(met, position);
    if (met[index - 1] !== position) met.splice(index, 0, position);
    const known = upTo(met, position);
    if (met.length > REMEMBERED) this.forgotten += met.splice(0, met.length / 2).length;
    return position > since ? this.forgotten + known - upTo(met, since) : known;
  }

  /** What lay beyond this position is another future. */
  forget(position: Position): void {
    this.met.length = upTo(this.met, position);
  }
}
