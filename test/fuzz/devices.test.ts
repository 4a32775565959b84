/**
 * Every chip of every board under traffic that no driver would make: nothing throws, nothing hangs. And a chip has no state but
 * that of its field table: what is restored into another machine behaves as the one that was saved. HOSTILE_ACCESSES and
 * HOSTILE_SEED say how many for each board, and which; HOSTILE_EVERY=1 finds the burst after which states differ.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../emulator/errors';
import type { MachineConfig } from '../../emulator/machine/api';
import type { Images } from '../../emulator/machine/images';
import type { Command } from '../../emulator/network/outside';
import { closeDisks, openDisks } from '../../emulator/machine/disks';
import { applyInput } from '../../emulator/machine/inputs';
import { Machine } from '../../emulator/machine/machine';
import { RunLoop, type Halt } from '../../emulator/machine/runloop';
import { capture, restore, StateHash } from '../../emulator/machine/state';
import { compiled } from '../unit/emulator/machine/guests';
import { BOARDS } from './boards';
import { randomOf, type Random } from './mutate';
import { Traffic } from './traffic';

const ACCESSES = Number(process.env['HOSTILE_ACCESSES'] ?? 150_000);
const SEED = Number(process.env['HOSTILE_SEED'] ?? 1);
/** The states are compared after every burst. */
const EVERY = process.env['HOSTILE_EVERY'] !== undefined;
/** Bursts of the one machine alone, and then of both. */
const ALONE = 40;
const BOTH = 40;
const MOST_SLICES = 50;
/** Nanoseconds without work that are skipped at once. */
const MOST_IDLE = 1e8;
/** Instructions for which a driver waits. */
const WAIT = 20_000;
/** Bytes beside the guest's memory that a machine may take, however long this goes on. */
const MOST_MEMORY = 256 << 20;

/** A machine, what its guest sees and what leaves it. */
interface Victim {
  readonly machine: Machine;
  readonly loop: RunLoop;
  readonly hash: StateHash;
  readonly seen: number[];
}

describe('chips under hostile traffic', function () {
  this.timeout(0);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hostile-'));
    writeFileSync(
      join(folder, 'disk.img'),
      Uint8Array.from({ length: 1 << 20 }, (_, at) => at >> 9),
    );
  });
  after(() => rmSync(folder, { recursive: true }));

  async function victimOf(given: MachineConfig, images: Images): Promise<Victim> {
    const path = join(folder, 'disk.img');
    const config: MachineConfig = { ...given, disks: [{ path }, { path, bus: 'ahci' }, { path, kind: 'cdrom' }, { path, bus: 'nvme' }] };
    const seen: number[] = [];
    const serial = (port: number, byte: number): boolean => (seen.push(port, byte), false);
    const network = (number: number, { kind, flow }: Command): void => void seen.push(number, kind.charCodeAt(0), flow);
    const machine = await Machine.create(config, { ...images, disks: openDisks(config) }, await compiled(), { serial, network });
    const loop = new RunLoop(machine, (input) => applyInput(machine, input));
    return { machine, loop, hash: new StateHash(machine), seen };
  }

  for (const [number, { name, config, images }] of BOARDS.entries()) {
    it(`${name}: ${ACCESSES} accesses`, async () => {
      const random = randomOf(SEED * 1000 + number);
      const one = await victimOf(config, images);
      const other = await victimOf(config, images);
      const halts = new Map<Halt['kind'], number>();
      const traffic = trafficOf(one, random);
      traffic.start();
      let memory: number | undefined;
      for (let round = 0; traffic.accesses < ACCESSES; round++) {
        const what = `HOSTILE_SEED=${SEED}, ${name}, round ${round}`;
        for (let burst = 0; burst < ALONE; burst++) count(halts, step(one, traffic, random(4000), what));
        copy(one.machine, other.machine);
        if (one.hash.current() !== other.hash.current()) assert.fail(`${what}: what was restored is something else\n${differences(one, other)}`);
        one.seen.length = other.seen.length = 0;
        const seed = 1 + random(0x7fffffff);
        const [mine, its] = [one, other].map((victim) => trafficOf(victim, randomOf(seed))) as [Traffic, Traffic];
        const instructions = randomOf(seed + 1);
        for (let burst = 0; burst < BOTH; burst++) {
          const slice = instructions(4000);
          const [halt, otherHalt] = [step(one, mine, slice, what), step(other, its, slice, what)];
          const same = halt === otherHalt && one.seen.length === other.seen.length && one.seen.every((value, at) => value === other.seen[at]);
          // Where something differs that the guest has not seen yet, EVERY makes the burst known.
          const looked = burst === BOTH - 1 || EVERY;
          if (!same || (looked && (one.hash.current() !== other.hash.current() || mapOf(one) !== mapOf(other))))
            assert.fail(`${what}, burst ${burst}: the restored one differs\n${difference(one, other, mine, its)}`);
          one.seen.length = other.seen.length = 0;
          count(halts, halt);
        }
        traffic.accesses += mine.accesses;
        if (round === 50) memory = taken();
      }
      if (memory !== undefined) assert.ok(taken() - memory < MOST_MEMORY, `${(taken() - memory) >> 20} MB more than at its beginning`);
      const written = one.machine.disks.map(({ overlay }) => overlay.size);
      assert.ok(
        written.some((pages) => pages > 0),
        'no command came as far as a disk',
      );
      console.log(
        `      seed ${SEED}: ${traffic.accesses} accesses; ${[...halts].map(([kind, times]) => `${kind} ${times}`).join(', ')}; pages of disks written: ${written.join(' ')}`,
      );
      closeDisks(one.machine.disks);
      closeDisks(other.machine.disks);
    });
  }
});

const trafficOf = (victim: Victim, random: Random): Traffic =>
  new Traffic(
    victim.machine,
    random,
    (value) => victim.seen.push(value),
    () => void run(victim, WAIT),
  );

/** Some instructions, or fewer where they have come to an end. */
function run({ machine, loop }: Victim, instructions: number): Halt | undefined {
  const end = machine.position + instructions;
  let halt: Halt | undefined;
  for (let slices = 0; !halt && machine.position < end && slices < MOST_SLICES; slices++) halt = loop.advance(end, machine.clock.now() + MOST_IDLE);
  return halt;
}

/** A burst, and then the processors for a while. A guest that has come to an end begins anew. */
function step(victim: Victim, traffic: Traffic, instructions: number, what: string): Halt['kind'] | undefined {
  const { machine } = victim;
  let halt: Halt | undefined;
  try {
    traffic.burst();
    const requested = machine.host.takeRequests()[0];
    halt = requested && requested.kind !== 'exit' ? requested : run(victim, instructions);
  } catch (error) {
    if (!(error instanceof EmulatorError) || error.blame === 'internal') assert.fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
    halt = { kind: 'error', error };
  }
  if (halt?.kind === 'error' && halt.error.blame === 'internal') assert.fail(`${what}: ${halt.error.stack}`);
  if (halt && halt.kind !== 'ahead' && halt.kind !== 'idle') {
    machine.reset();
    traffic.start();
  }
  return halt?.kind;
}

/** Who answers where. */
const mapOf = ({ machine }: Victim): string =>
  machine.bus
    .map()
    .map(({ owner, first, last }) => `${owner} at 0x${first.toString(16)}-0x${last.toString(16)}`)
    .join('\n');

const count = (counts: Map<Halt['kind'], number>, kind: Halt['kind'] | undefined): void => {
  if (kind && kind !== 'idle' && kind !== 'ahead') counts.set(kind, (counts.get(kind) ?? 0) + 1);
};

function copy(from: Machine, to: Machine): void {
  const pages = [...new Set([...from.pages.all(), ...to.pages.all()])];
  for (const page of pages) to.pages.put(page, from.pages.contents(page)?.slice() ?? null);
  to.pages.mark(pages);
  restore(to, capture(from));
}

/** What the guest saw otherwise, and what is otherwise. */
function difference(one: Victim, other: Victim, mine: Traffic, its: Traffic): string {
  const at = mine.log.findIndex((line, index) => line !== its.log[index]);
  return [...mine.log.slice(0, at + 1), `restored: ${its.log[at]}`, differences(one, other)].join('\n');
}

/** Names of what differs, for who looks for the reason. */
function differences(one: Victim, other: Victim): string {
  const text = (value: unknown): string => JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner));
  const [mine, its] = [capture(one.machine), capture(other.machine)];
  const chips = Object.keys(mine.devices).filter((name) => text(mine.devices[name]) !== text(its.devices[name]));
  const fields = chips.map((name) => {
    const [a, b] = [mine, its].map(({ devices }) => devices[name]!.state as Readonly<Record<string, unknown>>);
    const differing = Object.keys(a!).filter((field) => text(a![field]) !== text(b![field]));
    return `${name}: ${differing.map((field) => `${field} ${text(a![field]).slice(0, 300)} / ${text(b![field]).slice(0, 300)}`).join(', ')}`;
  });
  const rest = (['position', 'clock', 'turn', 'off'] as const).filter((key) => text(mine[key]) !== text(its[key]));
  const vcpus = mine.vcpus.flatMap((vcpu, number) => (Buffer.compare(vcpu, its.vcpus[number]!) === 0 ? [] : [`vcpu ${number}`]));
  const [here, there] = [one.machine.pages, other.machine.pages];
  const pages = here.all().filter((page) => Buffer.compare(here.contents(page) ?? ZERO, there.contents(page) ?? ZERO) !== 0);
  const maps = [mapOf(one), mapOf(other)].map((map) => map.split('\n')) as [string[], string[]];
  const places = maps[0].flatMap((entry, at) => (entry === maps[1][at] ? [] : [`${entry} / ${maps[1][at]}`]));
  return [...fields, ...rest, ...vcpus, ...places, ...pages.map((page) => `page ${page}`)].join('\n');
}
const ZERO = new Uint8Array(4096);

function taken(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
