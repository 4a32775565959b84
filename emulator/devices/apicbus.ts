import type { Bus, MmioHandler } from '../bus/device';

/** Messages between I/O APICs, MSI sources and local APICs: Intel SDM volume 3, 11.6 and 11.11. */

export const DeliveryMode = {
  Fixed: 0,
  LowestPriority: 1,
  SMI: 2,
  NMI: 4,
  INIT: 5,
  StartUp: 6,
  ExtINT: 7,
} as const;
export type DeliveryMode = number;

export const Shorthand = { None: 0, Self: 1, All: 2, AllButSelf: 3 } as const;

/** Destination of a message to every processor; senders with 8-bit fields widen their 0xFF to it. */
export const BROADCAST = 0xffffffff;
export const widen = (destination: number): number => (destination === 0xff ? BROADCAST : destination);

export interface ApicMessage {
  readonly destination: number;
  /** Logical destination mode. */
  readonly logical: boolean;
  readonly mode: DeliveryMode;
  readonly vector: number;
  /** Level triggered. */
  readonly level: boolean;
}

export interface InterprocessorInterrupt extends ApicMessage {
  readonly shorthand: number;
  /** APIC id of the sender. */
  readonly source: number;
}

/** What the bus needs of a local APIC. */
export interface LocalApic {
  readonly id: number;
  matches(destination: number, logical: boolean): boolean;
  /** Arbitration priority for lowest-priority delivery; Infinity when it accepts no interrupt. */
  arbitrationPriority(): number;
  /** Takes a message that is meant for it; false when it can't. */
  accept(mode: DeliveryMode, vector: number, level: boolean): boolean;
}

/** What the bus needs of an I/O APIC. */
export interface EoiListener {
  endOfInterrupt(vector: number): void;
}

/** Pure wiring without state of its own: who gets which message. */
export class ApicBus {
  private readonly locals: LocalApic[] = [];
  private readonly listeners: EoiListener[] = [];

  attach(local: LocalApic): void {
    this.locals.push(local);
    this.locals.sort((a, b) => a.id - b.id);
  }

  attachIo(listener: EoiListener): void {
    this.listeners.push(listener);
  }

  /** The page of registers at 0xFEE00000: every processor sees its own local APIC there. */
  attachWindow(bus: Bus, current: () => MmioHandler): void {
    const handler: MmioHandler = {
      // Its timer tells when it changes.
      quietReads: true,
      mmioRead: (offset, size) => current().mmioRead(offset, size),
      mmioWrite: (offset, size, value) => current().mmioWrite(offset, size, value),
    };
    bus.addMmio(0xfee00000, 0x1000, handler, 'lapic');
  }

  /** Delivers to the processors that the destination names; false if none took it. */
  deliver(message: ApicMessage): boolean {
    const { destination, logical, mode, vector, level } = message;
    if (mode === DeliveryMode.LowestPriority) return this.deliverLowest(destination, logical, vector, level);
    let accepted = false;
    for (const local of this.locals) {
      if (local.matches(destination, logical) && local.accept(mode, vector, level)) accepted = true;
    }
    return accepted;
  }

  /** An interrupt from one processor's ICR. */
  send(ipi: InterprocessorInterrupt): void {
    if (ipi.shorthand === Shorthand.None) {
      this.deliver(ipi);
      return;
    }
    if (ipi.mode === DeliveryMode.LowestPriority && ipi.shorthand === Shorthand.All) {
      this.deliverLowest(BROADCAST, false, ipi.vector, ipi.level);
      return;
    }
    for (const local of this.locals) {
      const self = local.id === ipi.source;
      if (ipi.shorthand === Shorthand.All || self === (ipi.shorthand === Shorthand.Self)) {
        local.accept(ipi.mode, ipi.vector, ipi.level);
      }
    }
  }

  /** A message-signalled interrupt: a memory write to 0xFEExxxxx. False if it names no processor. */
  msi(address: number, data: number): boolean {
    if (Math.floor(address / 0x100000) !== 0xfee) return false;
    const destination = widen((address >>> 12) & 0xff);
    const logical = (address & 0x4) !== 0;
    const vector = data & 0xff;
    const level = (data & 0x8000) !== 0;
    if (level && !(data & 0x4000)) return false; // deassertion
    const mode = (data >>> 8) & 7;
    // The redirection hint asks for the processor of lowest priority among those named.
    if (mode === DeliveryMode.LowestPriority || (address & 0x8 && mode === DeliveryMode.Fixed)) {
      return this.deliverLowest(destination, logical, vector, level);
    }
    return this.deliver({ destination, logical, mode, vector, level });
  }

  /** A processor's EOI of a level-triggered interrupt. */
  endOfInterrupt(vector: number): void {
    for (const listener of this.listeners) listener.endOfInterrupt(vector);
  }

  /** Among equals the lowest APIC id wins, so that the choice is a function of the state. */
  private deliverLowest(destination: number, logical: boolean, vector: number, level: boolean): boolean {
    let best: LocalApic | undefined;
    let bestPriority = Infinity;
    for (const local of this.locals) {
      if (!local.matches(destination, logical)) continue;
      const priority = local.arbitrationPriority();
      if (priority < bestPriority) {
        best = local;
        bestPriority = priority;
      }
    }
    return best !== undefined && best.accept(DeliveryMode.Fixed, vector, level);
  }
}
