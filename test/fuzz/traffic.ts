/** What a hostile guest does to the chips of its board, from a seed: anything, and what drivers do, half done. */
import type { AccessSize } from '../../emulator/bus/device';
import { assignPci } from '../../emulator/devices/pciassign';
import { applyInput } from '../../emulator/machine/inputs';
import type { Input } from '../../emulator/machine/journal';
import type { Machine } from '../../emulator/machine/machine';
import { OUTCOMES, type News } from '../../emulator/network/outside';
import { VIRTIO_CONSOLE } from '../../emulator/machine/api';
import type { Random } from './mutate';
import { DRIVERS } from './drivers';

/** RAM in which rings and buffers lie. */
export const ARENA = 0x100000;
const ARENA_LENGTH = 0x100000;
/** One of so many values that a driver writes is something else. */
const WRONG = 40;

/** Where the handler of interrupts is, an `iret`. */
const IRET = 0x7c10;
const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const PCI_WINDOWS = { io: [0xc000, 0xdfff], mem32: [0xc0000000, 0xdfffffff] } as const;
const SIZES: readonly AccessSize[] = [1, 2, 4];
const KEYS = ['KeyA', 'ShiftLeft', 'F12', 'Enter', 'Pause', 'ArrowUp', 'PrintScreen', 'Power'];

interface Window {
  readonly owner: string;
  readonly space: 'memory' | 'port';
  readonly first: number;
  readonly length: number;
}

/** All that it does follows from `random` and from the machine's state. */
export class Traffic {
  accesses = 0;
  /** The accesses of the last burst, for who looks for a difference. */
  readonly log: string[] = [];
  private windows: readonly (readonly Window[])[] = [];

  constructor(
    private readonly machine: Machine,
    private readonly random: Random,
    /** What the guest read. */
    private readonly seen: (value: number) => void,
    /** Lets the processors run for a while. */
    private readonly wait: () => void,
  ) {}

  /** The guest takes every interrupt and does nothing else; PCI is set up as firmware leaves it. */
  start(): void {
    const { machine } = this;
    const vectors = new Uint8Array(0x400);
    for (let at = 0; at < vectors.length; at += 4) vectors.set([IRET & 0xff, IRET >> 8, 0, 0], at);
    machine.engine.physicalWrite(0, vectors);
    machine.engine.physicalWrite(IRET, Uint8Array.of(0xcf));
    assignPci(machine.board.host, PCI_WINDOWS, () => 11);
    for (const { pci } of machine.board.host.list()) pci.write(0x04, 7, 0xffff);
  }

  /** Some accesses, most of them to one chip. */
  burst(): void {
    const { random } = this;
    this.look();
    this.log.length = 0;
    const windows = this.windows[random(this.windows.length)]!;
    // What a driver has begun may come to its end, or is disturbed.
    if (random(2) === 0 && this.drive(windows) && random(2) === 0) return;
    for (let left = 1 + random(64); left > 0; left--) {
      const kind = random(32);
      if (kind === 0) this.configuration();
      else if (kind === 1) this.input();
      else if (kind < 8) this.structure();
      else if (kind === 8) this.access(this.pick(this.windows[random(this.windows.length)]!));
      else this.access(this.pick(windows));
    }
  }

  private look(): void {
    const byOwner = new Map<string, Window[]>();
    for (const { owner, space, first, last } of this.machine.bus.map()) {
      const window = { owner, space, first: Number(first), length: Number(last - first) + 1 };
      byOwner.set(owner, [...(byOwner.get(owner) ?? []), window]);
    }
    this.windows = [...byOwner.values()];
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)]!;
  }

  private access({ space, first, length }: Window): void {
    const { random } = this;
    const offset = random(random(2) === 0 ? Math.min(length, 0x100) : length);
    const size = this.pick(SIZES);
    const at = first + (random(8) === 0 ? offset : offset - (offset % Math.min(size, length)));
    if (random(3) === 0) this.read(space, at, size);
    else this.write(space, at, size, this.value());
  }

  private read(space: Window['space'], at: number, size: AccessSize): number {
    const { host } = this.machine;
    this.accesses++;
    const value = space === 'port' ? host.portRead(at & 0xffff, size) : host.mmioRead(at, size);
    this.seen(value);
    this.log.push(`${space} ${at.toString(16)} read ${size}: ${value.toString(16)}`);
    return value;
  }

  private write(space: Window['space'], at: number, size: AccessSize, value: number): void {
    const { host } = this.machine;
    this.accesses++;
    this.log.push(`${space} ${at.toString(16)} write ${size}: ${value.toString(16)}`);
    if (space === 'port') host.portWrite(at & 0xffff, size, value);
    else host.mmioWrite(at, size, value);
  }

  /** Numbers that mean something to chips: bits, small ones, addresses. */
  private value(): number {
    const { random } = this;
    switch (random(8)) {
      case 0:
        return 0;
      case 1:
        return 0xffffffff;
      case 2:
        return (1 << random(32)) >>> 0;
      case 3:
        return random(16);
      case 4:
        return random(0x100);
      case 5:
        return this.address();
      case 6:
        return (random(0x10000) * 0x10001) >>> 0;
      default:
        return random(0x10000) * 0x10000 + random(0x10000);
    }
  }

  /** Of the arena mostly; of the end of RAM, of the chips' own windows, of nothing. */
  private address(): number {
    const { random, machine } = this;
    switch (random(16)) {
      case 0:
        return machine.config.memory - random(64);
      case 1:
        return this.pick(this.pick(this.windows)).first;
      case 2:
        return 0xffffffff - random(0x100);
      case 3:
        return ARENA + random(ARENA_LENGTH);
      default:
        return ARENA + 0x40 * random(ARENA_LENGTH / 0x40);
    }
  }

  private configuration(): void {
    const { random, machine } = this;
    const { device, pci } = this.pick([...machine.board.host.list()]);
    const fn = [...machine.board.host.list()].filter((other) => other.device === device).findIndex((other) => other.pci === pci);
    // Command, BARs and capabilities rather than anything else.
    const register = this.pick([0x04, 0x10, 0x14, 0x18, 0x20, 0x24, 0x3c, 0x40 + 4 * random(32), 4 * random(64)]);
    this.write('port', CONFIG_ADDRESS, 4, (0x80000000 | (device << 11) | (fn << 8) | register) >>> 0);
    const size = this.pick(SIZES);
    if (random(3) === 0) this.read('port', CONFIG_DATA, size);
    else this.write('port', CONFIG_DATA, size, register === 4 && random(4) > 0 ? 7 : this.value());
  }

  private input(): void {
    const { random, machine } = this;
    const inputs: readonly (() => Input)[] = [
      () => ({ kind: 'serial', port: this.pick([0, 1, VIRTIO_CONSOLE]), bytes: Uint8Array.from({ length: random(40) }, () => random(256)) }),
      () => ({ kind: 'network', news: Array.from({ length: 1 + random(4) }, () => this.news()) }),
      () => ({ kind: 'network', news: Array.from({ length: 1 + random(4) }, () => this.news()) }),
      () => ({ kind: 'key', code: this.pick(KEYS), down: random(2) === 0 }),
      () => ({ kind: 'pointer', dx: random(9) - 4, dy: random(9) - 4, wheel: random(3) - 1, buttons: random(8), x: random(32768), y: random(32768) }),
    ];
    applyInput(machine, this.pick(inputs)());
    machine.board.changed();
  }

  /** Of flows that there are, or have been. */
  private news(): News {
    const { random, machine } = this;
    const flow = Math.max(1, (machine.board.network?.user.state.flows ?? 0) - random(8));
    const bytes = new Uint8Array(random(this.pick([100, 5000, 70_000])));
    return this.pick<News>([
      { kind: 'connected', flow },
      { kind: 'connected', flow },
      { kind: 'bytes', flow, bytes },
      { kind: 'taken', flow, count: random(100_000) },
      { kind: 'ended', flow },
      { kind: 'accepted', flow: flow + 8, port: random(100) },
      { kind: 'datagram', flow, address: random(0x7fffffff), port: random(0x10000), bytes: bytes.subarray(0, 1500) },
      { kind: 'resolved', flow, outcome: this.pick(OUTCOMES), addresses: [random(0x7fffffff)] },
      random(8) > 0 ? { kind: 'connected', flow } : random(2) > 0 ? { kind: 'aborted', flow } : { kind: 'lost' },
    ]);
  }

  /** Something in memory that chips take for a descriptor, a command, a ring. */
  private structure(): void {
    const { random } = this;
    const words = 4 << random(3);
    const bytes = new Uint8Array(words * 4);
    const view = new DataView(bytes.buffer);
    const kind = random(6);
    for (let at = 0; at < bytes.length; at += 16) {
      view.setUint32(at, kind === 0 ? this.value() : this.address(), true);
      view.setUint32(at + 4, random(16) === 0 ? this.value() : 0, true);
      view.setUint32(at + 8, this.pick([0, 8, 16, 512, 2048, 4096, 65536, this.value()]), true);
      // Flags and next of a virtqueue; type and cycle of a TRB; or anything.
      view.setUint32(at + 12, kind < 2 ? this.value() : kind < 4 ? random(8) | (random(8) << 16) : (random(48) << 10) | random(1024), true);
    }
    if (kind === 5) {
      // A command FIS, in an SQE's or a command header's place too.
      bytes.set([0x27, 0x80, this.pick([0x25, 0x35, 0xec, 0xa1, 0xa0, 0xc8, 0xca, 0xea, 0xef, 0x06, 0x60, 0x61, random(256)]), random(256)], 0);
    }
    if (kind === 4) bytes.set([random(0x20), 0, random(256), random(4)], 0);
    this.machine.engine.physicalWrite(ARENA + 0x10 * random((ARENA_LENGTH - 0x40) / 0x10), bytes);
  }

  /** As a driver does, with rings and buffers in the arena. False: there is none for this chip. */
  private drive(windows: readonly Window[]): boolean {
    const window = windows[0]!;
    const driver = DRIVERS.find(({ owner }) => owner.test(window.owner));
    driver?.drive({
      read: (offset, size) => this.read(window.space, window.first + offset, size),
      write: (offset, size, value) => this.write(window.space, window.first + offset, size, value),
      place: (length) => ARENA + length * this.random(ARENA_LENGTH / length),
      store: (address, bytes) => this.machine.engine.physicalWrite(address, bytes),
      mostly: (value) => (this.random(WRONG) === 0 ? this.value() : value),
      wait: this.wait,
      random: this.random,
    });
    return driver !== undefined;
  }
}
