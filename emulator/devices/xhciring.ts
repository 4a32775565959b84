/** Rings of Transfer Request Blocks as their consumer sees them: xHCI 1.1, 4.9. */
import type { XhciDma } from './xhcidma';
import { decode, FLAG, is, TRB, TYPE, typeOf, type Trb } from './xhcitrb';

/** A place on a ring, and what a cycle bit has to be there. */
export interface Position {
  readonly at: bigint;
  readonly cycle: boolean;
}

/** Links that come one after the other; more lead in a circle. */
const MOST_LINKS = 16;
/** TRBs of one transfer, all stages of a control transfer together. */
export const MOST_TRBS = 256;

/** As registers and contexts hold it: the pointer, and the cycle state in bit 0. */
export const toPosition = (value: bigint): Position => ({ at: value & ~0xfn, cycle: (value & 1n) !== 0n });
export const fromPosition = ({ at, cycle }: Position): bigint => at | (cycle ? 1n : 0n);

/** `empty`: the next TRB is the producer's still. `loop`: there is no end to it. */
export type NoTrb = 'empty' | 'loop';
export interface Found {
  readonly trb: Trb;
  readonly after: Position;
  /** Where the TRB is, links behind. */
  readonly here: Position;
}

export class RingReader {
  constructor(private readonly dma: XhciDma) {}

  /** The TRB at a position, beyond links. */
  next(from: Position): Found | NoTrb {
    let here = from;
    for (let links = 0; links < MOST_LINKS; links++) {
      const trb = decode(Number(here.at), this.dma.read(here.at, TRB));
      if (is(trb, FLAG.CYCLE) !== here.cycle) return 'empty';
      if (typeOf(trb) !== TYPE.LINK) return { trb, here, after: { at: here.at + BigInt(TRB), cycle: here.cycle } };
      here = { at: trb.parameter & ~0xfn, cycle: is(trb, FLAG.TOGGLE) ? !here.cycle : here.cycle };
    }
    return 'loop';
  }

  /**
   * A transfer: the TRBs of one Transfer Descriptor, or from Setup to Status those of all stages of a control transfer.
   * One that is not whole yet is as if it were not there.
   */
  transfer(from: Position): { readonly trbs: readonly Trb[]; readonly after: Position } | NoTrb {
    const trbs: Trb[] = [];
    let control = false;
    for (let at = from; trbs.length < MOST_TRBS;) {
      const found = this.next(at);
      if (typeof found === 'string') return found;
      trbs.push(found.trb);
      at = found.after;
      if (trbs.length === 1) control = typeOf(found.trb) === TYPE.SETUP;
      // What follows a Status Stage in its descriptor belongs to it.
      const whole = !control || trbs.some((trb) => typeOf(trb) === TYPE.STATUS);
      if (whole && !is(found.trb, FLAG.CHAIN)) return { trbs, after: at };
    }
    return 'loop';
  }
}
