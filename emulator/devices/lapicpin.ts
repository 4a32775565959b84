import type { Line } from '../bus/device';
import { DeliveryMode } from './apicbus';
import type { LapicState } from './lapictable';

const MASKED = 0x10000;
const LEVEL = 0x8000;
const REMOTE_IRR = 0x4000;

/** What a pin does to its local APIC. */
export interface PinOwner {
  readonly state: LapicState;
  inject(vector: number, level: boolean): boolean;
  accept(mode: DeliveryMode, vector: number, level: boolean): boolean;
  /** The pin rose while the APIC is disabled by IA32_APIC_BASE, and so is wired to the processor. */
  bypass(pin: 'lint0' | 'lint1'): boolean;
  /** An ExtINT pin has something to say. */
  externalChanged(): void;
}

/** LINT0 or LINT1 with its LVT entry: Intel SDM volume 3, 11.5.1. */
export class LapicPin implements Line {
  constructor(
    private readonly owner: PinOwner,
    private readonly pin: 'lint0' | 'lint1',
    private readonly lvt: 'lvtLint0' | 'lvtLint1',
  ) {}

  set(level: boolean): void {
    const { state } = this.owner;
    if (state[this.pin] === level) return;
    state[this.pin] = level;
    if (level) this.asserted();
  }

  /** Guest's write of the LVT entry. An asserted pin that is held counts from when it is let through. */
  write(value: number): void {
    const { state } = this.owner;
    state[this.lvt] = value | (value & LEVEL ? state[this.lvt] & REMOTE_IRR : 0);
    this.retry();
  }

  endOfInterrupt(vector: number): void {
    const { state } = this.owner;
    const waiting = LEVEL | REMOTE_IRR;
    if ((state[this.lvt] & (waiting | 0xff)) !== (waiting | vector)) return;
    state[this.lvt] &= ~REMOTE_IRR;
    this.retry();
  }

  private retry(): void {
    const { state } = this.owner;
    const mode = (state[this.lvt] >>> 8) & 7;
    const held = mode === DeliveryMode.ExtINT || (mode === DeliveryMode.Fixed && state[this.lvt] & LEVEL);
    if (held && state[this.pin]) this.asserted();
  }

  private asserted(): void {
    const { owner } = this;
    const { state } = owner;
    if (owner.bypass(this.pin)) return;
    const lvt = state[this.lvt];
    if (lvt & MASKED) return;
    const mode = (lvt >>> 8) & 7;
    switch (mode) {
      case DeliveryMode.Fixed: {
        const level = (lvt & LEVEL) !== 0;
        if (level && lvt & REMOTE_IRR) return;
        if (owner.inject(lvt & 0xff, level) && level) state[this.lvt] = lvt | REMOTE_IRR;
        return;
      }
      case DeliveryMode.SMI:
      case DeliveryMode.NMI:
      case DeliveryMode.INIT:
        owner.accept(mode, 0, false);
        return;
      case DeliveryMode.ExtINT:
        owner.externalChanged();
        return;
      default:
        return;
    }
  }
}
