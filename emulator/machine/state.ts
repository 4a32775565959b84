import { internalError } from '../errors';
import type { FieldTable, StateOf } from '../bus/fields';
import * as layout from '../x86/layout';
import type { Position } from './api';
import type { ClockState } from './clock';
import { copyState, Encoder } from './encode';
import type { Machine } from './machine';
import { hexDigits, murmur3, type Hash128 } from './murmur3';
import { diskOfPage, isMemoryPage, type PageReader } from './pages';
import { isFile, REGISTER_GROUPS, type Register } from './registers';

const PAGE = 4096;

/** Everything that the guest can see except memory: RAM and framebuffer are kept page by page. */
export interface MachineState {
  readonly position: Position;
  readonly clock: ClockState;
  readonly turn: { readonly vcpu: number; readonly end: number };
  readonly off: boolean;
  /** Events of the journal that have happened. */
  readonly journal: number;
  /** As the engine gives them. */
  readonly vcpus: readonly Uint8Array[];
  /** States of the chips by name. */
  readonly devices: Readonly<Record<string, { readonly kind: string; readonly version: number; readonly state: StateOf<FieldTable> }>>;
}

export function capture(machine: Machine): MachineState {
  const { engine, config } = machine;
  return {
    position: machine.position,
    clock: machine.clock.save(),
    turn: { ...machine.turn },
    off: machine.off,
    journal: machine.journal.cursor,
    vcpus: Array.from({ length: config.cpus }, (_, number) => engine.saveVcpu(number)),
    devices: Object.fromEntries(machine.devices.map(({ name, kind, version, table, state }) => [name, { kind, version, state: copyState(table, state) }])),
  };
}

/**
 * Puts a state back. Memory must hold that state's pages already, or be put back before the machine
 * moves; `changed` says which they are, where that is known. `machine.pages.mark` tells of the pages that were written for it.
 */
export function restore(machine: Machine, saved: MachineState, changed?: Iterable<number>): void {
  const { engine, journal } = machine;
  for (const { name, table, state } of machine.devices) {
    const found = saved.devices[name];
    if (!found) throw internalError('state-device', `the state has nothing for device '${name}'`);
    Object.assign(state, copyState(table, found.state));
  }
  engine.setCount(saved.position);
  machine.clock.load(saved.clock);
  machine.turn = { ...saved.turn };
  machine.off = saved.off;
  journal.seek(saved.journal);
  engine.select(saved.turn.vcpu);
  saved.vcpus.forEach((vcpu, number) => engine.loadVcpu(number, vcpu));
  machine.host.takeRequests();
  machine.host.takeTrap();
  machine.board.restored();
  if (changed) engine.refresh([...changed].filter(isMemoryPage));
  else engine.flush();
}

// ── The state hash ─────────────────────────────────────────────────────────────────────────

/** The part of memory and of disks' overlays: the sum over all pages that are not as at power-on, kept up by the pages that change. */
class MemoryHash {
  private readonly pages = new Map<number, Hash128>();
  private readonly sum = new Uint32Array(4);
  private readonly reader: PageReader;

  constructor(private readonly machine: Machine) {
    this.reader = machine.pages.reader();
  }

  current(): Hash128 {
    const { memory, disks } = this.reader.take();
    for (const page of [...memory, ...disks]) {
      const bytes = this.machine.pages.contents(page);
      const old = this.pages.get(page);
      if (old) this.add(old, -1);
      if (!bytes) this.pages.delete(page);
      else {
        const hash = murmur3(bytes, seedOf(page));
        this.pages.set(page, hash);
        this.add(hash, 1);
      }
    }
    return [this.sum[0]!, this.sum[1]!, this.sum[2]!, this.sum[3]!];
  }

  private add(hash: Hash128, sign: 1 | -1): void {
    for (let i = 0; i < 4; i++) this.sum[i] = this.sum[i]! + sign * hash[i]!;
  }
}

/** Where the page is; those of disks are far from those of memory. */
function seedOf(page: number): number {
  if (isMemoryPage(page)) return page - layout.RAM / PAGE;
  const { disk, page: own } = diskOfPage(page);
  return (own ^ (0x9e3779b9 * (disk + 1))) >>> 0;
}

const REGISTERS: readonly Register[] = REGISTER_GROUPS.flatMap(({ registers }) =>
  registers.flatMap((entry): readonly Register[] => (isFile(entry) ? entry.parts : [entry])),
);

/** Fingerprint of everything that the guest can see, and of the position in its history. */
export class StateHash {
  private readonly memory: MemoryHash;

  constructor(private readonly machine: Machine) {
    this.memory = new MemoryHash(machine);
  }

  current(): string {
    const { machine } = this;
    const out = new Encoder();
    const { offset, jumps } = machine.clock.save();
    for (const value of [machine.position, offset, jumps, machine.journal.cursor, machine.turn.vcpu, machine.turn.end, machine.off ? 1 : 0]) out.f64(value);
    for (let number = 0; number < machine.config.cpus; number++) {
      const vcpu = machine.vcpus.at(number);
      for (const { read, width } of REGISTERS) out.wide(read(vcpu), width);
      // The interrupt shadow is a fact about this boundary only.
      out.u8(vcpu.u64(layout.SHADOW_COUNT) === BigInt(machine.position) ? 1 : 0);
    }
    for (const { name, table, state } of machine.devices) {
      out.text(name);
      out.table(table, state);
    }
    for (const word of this.memory.current()) out.u32(word);
    return hexDigits(murmur3(out.finish()));
  }
}
