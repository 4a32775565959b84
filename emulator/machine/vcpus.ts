import type { Engine } from '../engine/engine';
import * as layout from '../x86/layout';
import { ACTIVE, HALTED, SHUTDOWN, Vcpu } from '../x86/vcpu';

/** The registers of every vCPU, wherever the engine keeps them now. */
export class Vcpus {
  private readonly running: Vcpu;
  private readonly parked: readonly Vcpu[];

  constructor(
    private readonly engine: Engine,
    readonly length: number,
  ) {
    this.running = new Vcpu(engine.memory.buffer);
    this.parked = Array.from({ length }, (_, n) => new Vcpu(engine.memory.buffer, layout.PARKED + n * layout.WINDOW_SIZE));
  }

  at(number: number): Vcpu {
    return number === this.engine.current ? this.running : this.parked[number]!;
  }

  /** Linear address of the next instruction. */
  pc(number: number): bigint {
    const vcpu = this.at(number);
    return vcpu.mode64 ? vcpu.rip : (vcpu.segment(layout.CS).base + vcpu.rip) & 0xffffffffn;
  }

  /** Whether it would run, given its turn. `interrupt` says whether one is pending for it. */
  runnable(number: number, interrupt: boolean): boolean {
    const vcpu = this.at(number);
    const activity = vcpu.u32(layout.ACTIVITY);
    if (activity === ACTIVE) return true;
    if (activity !== HALTED) return false;
    if (vcpu.u32(layout.NMI_PENDING) && !vcpu.u32(layout.NMI_BLOCKED)) return true;
    return interrupt && (vcpu.systemFlags & 0x200n) !== 0n;
  }

  /** Whether an interrupt could get any of them going. */
  wakeable(): boolean {
    for (let number = 0; number < this.length; number++) if (this.runnable(number, true)) return true;
    return false;
  }

  /** The first that a triple fault has shut down. */
  shutDown(): number | undefined {
    for (let number = 0; number < this.length; number++) if (this.at(number).u32(layout.ACTIVITY) === SHUTDOWN) return number;
    return undefined;
  }

  /** TSC minus the machine's counter. */
  tscOffset(number: number): number {
    return Number(BigInt.asIntN(64, this.at(number).u64(layout.MSR_TSC_OFFSET)));
  }
}
