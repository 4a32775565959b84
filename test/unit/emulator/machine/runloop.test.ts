import assert from 'node:assert/strict';
import type { MachineConfig } from '../../../../emulator/machine/api';
import type { Images } from '../../../../emulator/machine/images';
import { applyInput } from '../../../../emulator/machine/inputs';
import { Machine, type MachineOptions } from '../../../../emulator/machine/machine';
import { RunLoop } from '../../../../emulator/machine/runloop';
import { capture, restore, StateHash } from '../../../../emulator/machine/state';
import { compiled, CONFIG, DEAD, ECHO, EXIT, FAULTS, FAULTS_HANDLER, OFF, REBOOT, SMP, SMP_CONFIG, TICKS, TRIPLE } from './guests';

interface Subject {
  readonly machine: Machine;
  readonly loop: RunLoop;
  readonly hash: StateHash;
  readonly sent: number[];
}

async function make(images: Images, config: Partial<MachineConfig> = {}, options: MachineOptions = {}): Promise<Subject> {
  const sent: number[] = [];
  const serial = (_: number, byte: number): boolean => void sent.push(byte) as unknown as boolean;
  const machine = await Machine.create({ ...CONFIG, ...config }, images, await compiled(), { serial }, options);
  return { machine, loop: new RunLoop(machine, (input) => applyInput(machine, input)), hash: new StateHash(machine), sent };
}

const word = (machine: Machine, address: number): number => machine.engine.ram[address]! | (machine.engine.ram[address + 1]! << 8);
const serial = (text: string) => ({ kind: 'serial', port: 0, bytes: new TextEncoder().encode(text) }) as const;

/** Runs to a position in slices of odd sizes. */
function runInSlices({ machine, loop }: Subject, position: number, seed: number): void {
  let random = seed;
  while (machine.position < position) {
    random = (Math.imul(random, 1103515245) + 12345) >>> 0;
    const halt = loop.advance(Math.min(position, machine.position + 1 + (random % 5000)));
    assert.equal(halt, undefined);
  }
}

describe('run loop', function () {
  this.timeout(60_000);

  it('stops exactly where it is told', async () => {
    const { machine, loop } = await make(TICKS);
    for (const position of [1, 2, 3, 50, 777, 100_001]) {
      assert.equal(loop.advance(position), undefined);
      assert.equal(machine.position, position);
    }
  });

  it('takes timer interrupts at the rate of virtual time', async () => {
    const { machine, loop } = await make(TICKS);
    loop.advance(3_000_000);
    const period = (0x400 / 1193182) * 1e9;
    assert.ok(Math.abs(word(machine, 0x604) - machine.clock.now() / period) < 3, `${word(machine, 0x604)} ticks in ${machine.clock.now()} ns`);
    assert.ok(machine.clock.instructions() < machine.position, 'time was skipped while the guest was halted');
  });

  it('knows the earliest deadline of its chips at every stop', async () => {
    const { machine, loop } = await make(TICKS);
    const { board, devices } = machine;
    const seen = new Set<number>();
    for (let position = 1000; position < 3_000_000; position += 17_777) {
      loop.advance(position);
      assert.equal(board.deadline(), Math.min(...devices.map((device) => device.deadline?.() ?? Infinity)));
      seen.add(board.deadline());
    }
    assert.ok(seen.size > 3, 'the timer is set again and again');
  });

  it('comes to the same state however the run is cut into slices', async () => {
    const [whole, ...others] = await Promise.all([make(TICKS), make(TICKS), make(TICKS)]);
    whole.loop.advance(600_000);
    others.forEach((other, seed) => runInSlices(other, 600_000, seed + 1));
    for (const other of others) assert.equal(other.hash.current(), whole.hash.current());
    assert.equal(others[0]!.machine.clock.now(), whole.machine.clock.now());
  });

  it('comes to the same state one instruction at a time', async () => {
    const [whole, single] = await Promise.all([make(TICKS), make(TICKS)]);
    const end = 250_000;
    whole.loop.advance(end - 3000);
    single.loop.advance(end - 3000);
    whole.loop.advance(end);
    while (single.machine.position < end) single.loop.advance(single.machine.position + 1);
    assert.equal(single.hash.current(), whole.hash.current());
  });

  it('replays inputs where they happened, after a restore', async () => {
    const { machine, loop, hash, sent } = await make(ECHO);
    loop.advance(1000);
    const saved = capture(machine);
    const memory = Uint8Array.from(machine.engine.ram);
    loop.inject(serial('Hi'));
    loop.advance(5000);
    loop.inject(serial('x'));
    loop.advance(9000);
    assert.equal(String.fromCharCode(...sent), 'hIX');
    const first = hash.current();

    machine.engine.ram.set(memory);
    machine.pages.mark(machine.pages.all());
    restore(machine, saved);
    assert.equal(machine.position, 1000);
    runInSlices({ machine, loop, hash, sent }, 9000, 7);
    assert.equal(String.fromCharCode(...sent), 'hIXhIX');
    assert.equal(hash.current(), first);
    assert.ok(!machine.journal.replaying);
  });

  it('has a position for the delivery of a fault, so that inputs before it and after it are told apart', async () => {
    let stopped = false;
    const traps = { port: () => false, interrupt: () => false, exception: () => (stopped = !stopped), system: () => undefined, hearsSystem: false };
    const { machine, loop, hash } = await make(FAULTS, {}, { traps });
    const saved = capture(machine);
    const memory = Uint8Array.from(machine.engine.ram);
    const positions = new Set<number>();
    for (let stops = 0; stops < 50; stops++) {
      while (loop.advance(machine.position + 1000)?.kind !== 'request');
      assert.equal(machine.vcpus.pc(0), FAULTS_HANDLER);
      positions.add(machine.position);
      loop.inject(serial('x'));
    }
    loop.advance(machine.position + 1000);
    const end = machine.position;
    assert.equal(positions.size, 50);
    assert.equal(word(machine, 0x602), 50, 'interrupts');
    const first = hash.current();

    machine.engine.ram.set(memory);
    machine.pages.mark(machine.pages.all());
    restore(machine, saved);
    const position = [...positions][7]!;
    while (machine.position < position - 1) loop.advance(position - 1);
    assert.notEqual(machine.vcpus.pc(0), FAULTS_HANDLER, 'before the delivery');
    while (machine.position < position) loop.advance(position);
    assert.equal(machine.vcpus.pc(0), FAULTS_HANDLER);
    while (machine.position < end) loop.advance(end);
    assert.equal(hash.current(), first);
  });

  it('restores any moment of a run with interrupts', async () => {
    const { machine, loop, hash } = await make(TICKS);
    for (let i = 1; i <= 5; i++) {
      loop.advance(machine.position + 33_333);
      const saved = capture(machine);
      const memory = Uint8Array.from(machine.engine.ram);
      const before = hash.current();
      loop.advance(machine.position + 250_000);
      const after = hash.current();
      machine.engine.ram.set(memory);
      machine.pages.mark(machine.pages.all());
      restore(machine, saved);
      assert.equal(hash.current(), before);
      loop.advance(machine.position + 250_000);
      assert.equal(hash.current(), after);
    }
  });

  it('tells how a guest ended', async () => {
    const end = async (images: Images): Promise<unknown> => (await make(images)).loop.advance(1_000_000);
    assert.deepEqual(await end(EXIT), { kind: 'exit', code: 0x43 });
    assert.deepEqual(await end(OFF), { kind: 'power-off' });
    assert.deepEqual(await end(TRIPLE), { kind: 'shutdown' });
    assert.deepEqual(await end(REBOOT), { kind: 'reset' });
  });

  it('stays off and stays shut down', async () => {
    for (const [images, kind] of [
      [OFF, 'power-off'],
      [TRIPLE, 'shutdown'],
    ] as const) {
      const { machine, loop } = await make(images);
      loop.advance(1_000_000);
      const { position } = machine;
      assert.deepEqual(loop.advance(2_000_000), { kind });
      assert.equal(machine.position, position);
    }
  });

  it('boots anew after a reset, with memory as loaded and time going on', async () => {
    const { machine, loop } = await make(REBOOT);
    machine.engine.physicalWrite(0x500000, Uint8Array.of(1, 2, 3));
    machine.engine.physicalWrite(0x7c00, Uint8Array.of(0xb0));
    loop.advance(1_000_000);
    const { position } = machine;
    assert.ok(position > 0);
    assert.equal(machine.vcpus.pc(0), 0x7c00n);
    assert.deepEqual([...machine.engine.ram.subarray(0x500000, 0x500003)], [0, 0, 0]);
    assert.deepEqual(loop.advance(1_000_000), { kind: 'reset' });
    assert.ok(machine.position > position);
  });

  it('runs several processors in turns, the same however it is sliced', async () => {
    const config = { ...SMP_CONFIG, cpus: 3 };
    const [whole, ...others] = await Promise.all([make(SMP, config), make(SMP, config), make(SMP, config)]);
    whole.loop.advance(700_000);
    assert.equal(word(whole.machine, 0x600), 2, 'both others came up');
    const counts = new Uint32Array(whole.machine.engine.ram.slice(0x604, 0x60c).buffer);
    assert.ok(counts[0]! > 100_000 && counts[1]! > 100_000, `they share the time: ${counts[0]}, ${counts[1]}`);
    others.forEach((other, seed) => runInSlices(other, 700_000, seed + 5));
    for (const other of others) assert.equal(other.hash.current(), whole.hash.current());
  });

  it('restores several processors', async () => {
    const { machine, loop, hash } = await make(SMP, { ...SMP_CONFIG, cpus: 2 });
    loop.advance(105_003);
    const saved = capture(machine);
    const memory = Uint8Array.from(machine.engine.ram);
    loop.advance(333_333);
    const after = hash.current();
    machine.engine.ram.set(memory);
    machine.pages.mark(machine.pages.all());
    restore(machine, saved);
    loop.advance(333_333);
    assert.equal(hash.current(), after);
  });

  it('knows a guest that nothing can wake', async () => {
    const { machine, loop } = await make(DEAD);
    assert.deepEqual(loop.advance(5000), { kind: 'idle' });
    assert.equal(machine.position, 2);
  });

  it('skips idle time only as far as it may', async () => {
    const [free, held] = await Promise.all([make(TICKS), make(TICKS)]);
    free.loop.advance(2_000_000);
    let until = 0;
    let rests = 0;
    while (held.machine.position < 2_000_000) {
      const halt = held.loop.advance(2_000_000, until);
      if (halt?.kind !== 'ahead') continue;
      assert.ok(halt.due > until);
      rests++;
      until += 300_000;
    }
    assert.ok(rests > 5);
    assert.equal(held.hash.current(), free.hash.current());
  });
});
