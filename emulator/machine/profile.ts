import { CS } from '../x86/layout';
import type { Position, Profile } from './api';
import type { Machine } from './machine';

/** Places that are kept apart; samples elsewhere are counted together. */
const MOST_PLACES = 1 << 20;
/** What samples beyond that are counted as. */
export const ELSEWHERE = 'elsewhere';

/** Samples the instruction pointer at multiples of a number of instructions: the same in every run. */
export class Sampler {
  private readonly samples = new Map<string, number>();

  constructor(
    private readonly machine: Machine,
    readonly every: number,
  ) {}

  get due(): Position {
    return (Math.floor(this.machine.position / this.every) + 1) * this.every;
  }

  /** The machine stands at a boundary. */
  visit(): void {
    const { machine } = this;
    if (machine.position % this.every !== 0) return;
    const vcpu = machine.vcpus.at(machine.engine.current);
    const linear = vcpu.mode64 ? vcpu.rip : vcpu.segment(CS).base + vcpu.rip;
    const key = `${linear.toString(16)} ${vcpu.cpl}`;
    const known = this.samples.get(key);
    const place = known === undefined && this.samples.size >= MOST_PLACES ? ELSEWHERE : key;
    this.samples.set(place, (this.samples.get(place) ?? 0) + 1);
  }

  profile(): Profile {
    return { every: this.every, samples: Object.fromEntries(this.samples), statistics: this.machine.engine.statistics };
  }
}
