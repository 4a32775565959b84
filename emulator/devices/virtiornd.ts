/**
 * Entropy device: VIRTIO 1.2, 5.4. Its bytes are a function of the configuration's seed, so that a run can be repeated; or they come
 * from outside, through the journal: a request then waits until they are here.
 */
import type { Device, DeviceContext, Nanoseconds } from '../bus/device';
import { initial, list, time, u32 } from '../bus/fields';
import { VirtioDevice } from './virtiodevice';
import { virtioTable } from './virtiofields';
import type { VirtioOptions } from './virtiopci';

const TYPE = 4;
const QUEUE_SIZE = 64;
/** Most bytes at once: a driver that wants more asks again. */
const MOST_BYTES = 64 << 10;
const LATENCY_NS = 10_000;
/** Bytes that are asked for from outside at once: what Linux's driver asks for. */
const OUTSIDE_BYTES = 64;

const table = virtioTable(1, {
  due: time('When the next request is done'),
  generator: list(4, 'State of the generator, xoshiro128**', u32('Word')),
});

export interface VirtioRndOptions extends Pick<VirtioOptions, 'reachable' | 'msi'> {
  readonly name?: string;
  readonly seed: number | 'host';
}

export class VirtioRnd extends VirtioDevice implements Device<typeof table> {
  readonly name: string;
  readonly kind = 'virtiornd';
  readonly version = 1;
  readonly table = table;
  readonly state = initial(table);

  constructor(
    context: DeviceContext,
    private readonly options: VirtioRndOptions,
  ) {
    const { name = 'rnd', reachable, msi } = options;
    super(
      context,
      {
        type: TYPE,
        classCode: 0x00ff00,
        queueSizes: [QUEUE_SIZE],
        reachable,
        msi,
      },
      LATENCY_NS,
    );
    this.name = name;
    this.reset();
  }

  override reset(): void {
    super.reset();
    const { seed } = this.options;
    if (seed !== 'host') this.state.generator = seeded(seed);
  }

  expire(now: Nanoseconds): void {
    this.state.due = Infinity;
    if (this.options.seed !== 'host') this.answer(now, (length) => this.random(length));
  }

  /** How many bytes a request waits for from outside. */
  get wanted(): number {
    return this.options.seed === 'host' && this.state.due === Infinity && this.transport.pending(0) ? OUTSIDE_BYTES : 0;
  }
  /** They have come: of no use to a driver that has been reset since. */
  receive(bytes: Uint8Array): void {
    if (this.wanted > 0) this.answer(this.context.now(), (length) => bytes.subarray(0, length));
  }

  private answer(now: Nanoseconds, draw: (length: number) => Uint8Array): void {
    const chain = this.transport.next(0);
    if (!chain) return;
    if (chain.writable === 0) return this.transport.fail('request');
    const bytes = draw(Math.min(chain.writable, MOST_BYTES));
    chain.write(0, bytes);
    this.transport.used(0, chain, bytes.length);
    if (this.transport.pending(0)) this.state.due = now + LATENCY_NS;
  }

  /** xoshiro128** 1.1 (Blackman and Vigna): four bytes a step. */
  private random(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(length / 4) * 4);
    const view = new DataView(bytes.buffer);
    const s = Uint32Array.from(this.state.generator);
    for (let at = 0; at < length; at += 4) {
      view.setUint32(at, Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0, true);
      const t = s[1]! << 9;
      s[2]! ^= s[0]!;
      s[3]! ^= s[1]!;
      s[1]! ^= s[2]!;
      s[0]! ^= s[3]!;
      s[2]! ^= t;
      s[3] = rotate(s[3]!, 11);
    }
    this.state.generator = [...s];
    return bytes.subarray(0, length);
  }
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

/** Words that look unlike each other, whatever the seed: SplitMix32. They are never all zero. */
function seeded(seed: number): number[] {
  let state = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
  return Array.from({ length: 4 }, () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = state;
    word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
    word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
    return (word ^ (word >>> 16)) >>> 0;
  });
}
