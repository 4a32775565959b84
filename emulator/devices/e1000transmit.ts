/** The transmit side of an e1000: legacy, context and data descriptors (manual, 3.3). */
import { CTRL, INTERRUPT, MOST_PACKET, TCTL, type E1000State } from './e1000registers';
import { framesOf, insertChecksum, tagged } from './e1000offload';
import { bySize, count, countBytes, COUNTER, DESCRIPTOR, descriptorAt, placeOf, type Descriptor, type RingContext } from './e1000rings';

const COMMAND = { EOP: 0x01, IC: 0x04, TSE: 0x04, RS: 0x08, VLE: 0x40 } as const;
const EXTENDED = 1 << 29;
const KIND = { CONTEXT: 0, DATA: 1 } as const;
const DONE = 1;
/** Shortest frame, without its check sequence. */
const SHORTEST = 60;
const CHECK = 4;

/** Descriptors and bytes at once; the rest comes when those could have gone by, at a gigabit. */
const MOST_DESCRIPTORS = 256;
const MOST_BYTES = 128 << 10;
const NS_PER_BYTE = 8;

export interface TransmitterContext extends RingContext {
  transmit(frame: Uint8Array): void;
}

export class Transmitter {
  /** Of the packet that is being gathered; in the state between two runs. */
  private pieces: Uint8Array[] = [];
  private gathered = 0;

  constructor(
    private readonly context: TransmitterContext,
    private readonly state: E1000State,
  ) {}

  pending(): boolean {
    const { TCTL: control, TDH, TDT, TDLEN } = this.state;
    const entries = Math.floor(TDLEN / DESCRIPTOR);
    return (control & TCTL.EN) !== 0 && TDH !== TDT && TDH < entries && TDT < entries;
  }

  /** Takes what is in the ring; `wait`: there is more, after so many nanoseconds. */
  run(): { readonly wait: number | undefined } {
    const { state, context } = this;
    this.pieces = [state.packet];
    this.gathered = state.packet.length;
    let bytes = 0;
    let causes = 0;
    for (let n = 0; n < MOST_DESCRIPTORS && bytes < MOST_BYTES && this.pending(); n++) {
      const descriptor = descriptorAt(context, state.TDBAL, state.TDBAH, state.TDH);
      if (!descriptor) break;
      bytes += this.take(descriptor);
      const command = descriptor.lower >>> 24;
      if (command & COMMAND.RS) {
        context.memory.write(descriptor.at + 12, Uint8Array.of((descriptor.upper & 0xff) | DONE));
        causes |= INTERRUPT.TXDW;
      }
      state.TDH = (state.TDH + 1) % Math.floor(state.TDLEN / DESCRIPTOR);
    }
    state.packet = this.whole();
    const more = this.pending() && bytes > 0;
    if (state.TDH === state.TDT) causes |= INTERRUPT.TXQE;
    context.cause(causes);
    return { wait: more ? bytes * NS_PER_BYTE : undefined };
  }

  private whole(): Uint8Array {
    if (this.pieces.length === 1) return this.pieces[0]!;
    const whole = new Uint8Array(this.gathered);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /** Gives how many bytes that was. */
  private take(descriptor: Descriptor): number {
    const { state } = this;
    const { lower, upper } = descriptor;
    if (!(lower & EXTENDED)) return this.data(descriptor, lower & 0xffff, true);
    switch ((lower >>> 20) & 0xf) {
      case KIND.CONTEXT: {
        const [first, second] = [Number(descriptor.address & 0xffffffffn), Number(descriptor.address >> 32n)];
        Object.assign(state.context, {
          ipStart: first & 0xff, ipOffset: (first >>> 8) & 0xff, ipEnd: first >>> 16, start: second & 0xff, offset: (second >>> 8) & 0xff, end: second >>> 16,
          payload: lower & 0xfffff, command: lower >>> 24, header: (upper >>> 8) & 0xff, segment: upper >>> 16,
        }); // prettier-ignore
        return DESCRIPTOR;
      }
      case KIND.DATA:
        return this.data(descriptor, lower & 0xfffff, false);
      default:
        return DESCRIPTOR;
    }
  }

  private data({ address, lower, upper }: Descriptor, length: number, legacy: boolean): number {
    const { state, context } = this;
    const command = lower >>> 24;
    if (this.gathered === 0) {
      // What the first descriptor says is for the whole packet.
      state.legacy = legacy ? 'legacy' : 'extended';
      state.options = legacy ? 0 : (upper >>> 8) & 0xff;
      state.segmented = !legacy && (command & COMMAND.TSE) !== 0;
    }
    const place = placeOf(context, address, length);
    if (this.gathered + length > MOST_PACKET) state.tooLong = true;
    else if (length > 0) {
      const piece = new Uint8Array(length);
      if (place !== undefined) context.memory.read(place, piece);
      this.pieces.push(piece);
      this.gathered += length;
    }
    if (command & COMMAND.EOP) {
      if (!state.tooLong) this.finish(command, lower, upper);
      [this.pieces, this.gathered, state.tooLong] = [[new Uint8Array(0)], 0, false];
    }
    return length + DESCRIPTOR;
  }

  private finish(command: number, lower: number, upper: number): void {
    const { state } = this;
    const packet = this.whole();
    if (state.legacy === 'legacy') {
      const frame = packet.slice();
      if (command & COMMAND.IC) insertChecksum(frame, (upper >>> 8) & 0xff, (lower >>> 16) & 0xff, 0);
      return this.send(frame, command, upper);
    }
    if (state.segmented) count(state, COUNTER.TSCTC);
    for (const frame of framesOf(packet, state.options, state.segmented, state.context)) this.send(frame, command, upper);
  }

  private send(frame: Uint8Array, command: number, upper: number): void {
    const { state, context } = this;
    const tag = command & COMMAND.VLE && state.CTRL & CTRL.VME;
    let whole = tag ? tagged(frame, state.VET & 0xffff, upper >>> 16) : frame;
    if (whole.length < SHORTEST && state.TCTL & TCTL.PSP) {
      const padded = new Uint8Array(SHORTEST);
      padded.set(whole);
      whole = padded;
    }
    const length = whole.length + CHECK;
    if (whole[0] === 0xff && whole[1] === 0xff) count(state, COUNTER.BPTC);
    else if (whole[0]! & 1) count(state, COUNTER.MPTC);
    count(state, COUNTER.GPTC);
    count(state, COUNTER.TPT);
    count(state, bySize(COUNTER.PTC64, length));
    countBytes(state, COUNTER.GOTC, length);
    countBytes(state, COUNTER.TOT, length);
    context.transmit(whole);
  }
}
