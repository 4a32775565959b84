/** The receive side of an e1000: filters, and the ring of buffers (manual, 3.2 and 13.4.22). */
import { frameCheck } from './e1000offload';
import { INTERRUPT, RAH_VALID, RCTL, type E1000State } from './e1000registers';
import { bySize, count, countBytes, COUNTER, DESCRIPTOR, descriptorAt, placeOf, type RingContext } from './e1000rings';

const ADDRESS = 6;
/** Shortest frame, without its check sequence. */
const SHORTEST = 60;
const CHECK = 4;
const ADDRESSES = 16;
const SELECT = 0x30000;
/** No checksums have been looked at (IXSM). */
const STATUS = { DD: 0x01, EOP: 0x02, IXSM: 0x04, PIF: 0x80 } as const;
const SIZES = [2048, 1024, 512, 256] as const;
/** Where each offset of RCTL.MO begins in the last two bytes of an address. */
const OFFSETS = [4, 3, 2, 0] as const;

export class Receiver {
  constructor(
    private readonly context: RingContext,
    private readonly state: E1000State,
  ) {}

  receive(frame: Uint8Array): void {
    const { state, context } = this;
    if (!(state.RCTL & RCTL.EN)) return;
    const passed = this.filter(frame);
    if (!passed) return;
    const data = this.withCheck(frame);
    const size = this.bufferSize();
    const needed = Math.ceil(data.length / size);
    const entries = Math.floor(state.RDLEN / DESCRIPTOR);
    if (this.free(entries) < needed) {
      count(state, COUNTER.MPC);
      count(state, COUNTER.RNBC);
      return context.cause(INTERRUPT.RXO);
    }
    for (let index = 0; index < needed; index++) {
      const flags = STATUS.DD | STATUS.IXSM | (passed === 'hash' ? STATUS.PIF : 0) | (index === needed - 1 ? STATUS.EOP : 0);
      this.put(data.subarray(index * size, (index + 1) * size), flags);
      state.RDH = (state.RDH + 1) % entries;
    }
    this.counted(frame, Math.max(frame.length, SHORTEST) + CHECK);
    const threshold = entries >>> (1 + Math.min((state.RCTL >>> 8) & 3, 2));
    context.cause(INTERRUPT.RXT0 | (this.free(entries) <= threshold ? INTERRUPT.RXDMT0 : 0));
  }

  /** Descriptors that the driver has given. */
  private free(entries: number): number {
    const { RDH, RDT } = this.state;
    return entries === 0 || RDH >= entries || RDT >= entries ? 0 : (RDT - RDH + entries) % entries;
  }

  private bufferSize(): number {
    const { RCTL: value } = this.state;
    const size = SIZES[(value >>> 16) & 3]!;
    return value & RCTL.BSEX && size < 2048 ? size * 16 : size;
  }

  private withCheck(frame: Uint8Array): Uint8Array {
    const strip = (this.state.RCTL & RCTL.SECRC) !== 0;
    const length = Math.max(frame.length, SHORTEST);
    const data = new Uint8Array(length + (strip ? 0 : CHECK));
    data.set(frame);
    if (!strip) data.set(frameCheck(data.subarray(0, length)), length);
    return data;
  }

  private put(data: Uint8Array, status: number): void {
    const { context, state } = this;
    const descriptor = descriptorAt(context, state.RDBAL, state.RDBAH, state.RDH);
    if (!descriptor) return;
    const place = placeOf(context, descriptor.address, data.length);
    if (place !== undefined) context.memory.write(place, data);
    // Length, checksum, status, errors and special, in place of what the driver wrote.
    context.memory.write(descriptor.at + 8, Uint8Array.of(data.length, data.length >>> 8, 0, 0, status, 0, 0, 0));
  }

  // ── Filters ──────────────────────────────────────────────────────────────────────────────

  private filter(frame: Uint8Array): 'exact' | 'hash' | undefined {
    const { RCTL: control, RA, MTA } = this.state;
    const broadcast = frame.subarray(0, ADDRESS).every((byte) => byte === 0xff);
    if (broadcast && control & RCTL.BAM) return 'exact';
    const multicast = (frame[0]! & 1) !== 0;
    if (control & (multicast ? RCTL.MPE : RCTL.UPE)) return 'exact';
    const low = (frame[0]! | (frame[1]! << 8) | (frame[2]! << 16) | (frame[3]! << 24)) >>> 0;
    const high = frame[4]! | (frame[5]! << 8);
    for (let i = 0; i < ADDRESSES; i++) {
      const upper = RA[2 * i + 1]!;
      if (upper >= RAH_VALID && !(upper & SELECT) && RA[2 * i] === low && (upper & 0xffff) === high) return 'exact';
    }
    if (!multicast) return undefined;
    const hash = (high >>> OFFSETS[(control >>> 12) & 3]!) & 0xfff;
    return (MTA[hash >>> 5]! >>> (hash & 31)) & 1 ? 'hash' : undefined;
  }

  private counted(frame: Uint8Array, length: number): void {
    const { state } = this;
    const broadcast = frame.subarray(0, ADDRESS).every((byte) => byte === 0xff);
    if (broadcast) count(state, COUNTER.BPRC);
    else if (frame[0]! & 1) count(state, COUNTER.MPRC);
    count(state, COUNTER.GPRC);
    count(state, COUNTER.TPR);
    count(state, bySize(COUNTER.PRC64, length));
    countBytes(state, COUNTER.GORC, length);
    countBytes(state, COUNTER.TOR, length);
  }
}
