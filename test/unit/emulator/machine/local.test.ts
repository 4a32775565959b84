import assert from 'node:assert/strict';
import { EmulatorError } from '../../../../emulator/errors';
import type { GuestEvent, MachineConfig, RunLimits, StateNode, Stop } from '../../../../emulator/machine/api';
import type { Images } from '../../../../emulator/machine/images';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { compiled, CONFIG, DEAD, DIVIDE, ECHO, ECHO_CALL, ECHO_WORK, EXIT, TICKS, TICKS_ISR, TICKS_LOOP, TRIPLE } from './guests';

class Subject {
  readonly events: GuestEvent[] = [];
  constructor(readonly guest: LocalGuest) {
    guest.on((event) => this.events.push(event));
  }

  /** Starts a motion and waits for its one stop. */
  async move(action: () => Promise<void>): Promise<Stop> {
    const stopped = new Promise<Stop>((resolve) => {
      const off = this.guest.on((event) => {
        if (event.event !== 'stopped') return;
        off();
        resolve(event.stop);
      });
    });
    await action();
    return stopped;
  }
  resume(limits?: RunLimits): Promise<Stop> {
    return this.move(() => this.guest.resume(limits));
  }
  get serial(): string {
    return this.events.map((event) => (event.event === 'serial' ? String.fromCharCode(...event.bytes) : '')).join('');
  }
  count(kind: GuestEvent['event']): number {
    return this.events.filter(({ event }) => event === kind).length;
  }
}

async function make(images: Images, config: Partial<MachineConfig> = {}): Promise<Subject> {
  return new Subject(await LocalGuest.create({ ...CONFIG, ...config }, { images, binaries: await compiled(), pace: nodePace }));
}

const find = (nodes: readonly StateNode[], ...path: string[]): StateNode => {
  const node = nodes.find(({ name }) => name === path[0]);
  assert.ok(node, `there is a node ${path[0]}`);
  return path.length === 1 ? node : find(node.children ?? [], ...path.slice(1));
};
const refused = (code: string) => (error: unknown) => error instanceof EmulatorError && error.blame === 'user' && error.code === code;

describe('guest in this thread', function () {
  this.timeout(30_000);

  it("a held key repeats by itself where the machine says so, in the guest's time", async () => {
    for (const typematic of [false, true]) {
      const subject = await make(TICKS, { typematic });
      const { guest } = subject;
      await guest.key('KeyA', true);
      await subject.resume({ unattended: true, span: { time: 1_000_000_000, whole: true } });
      const { output } = guest.machine.board.keyboard.state;
      // Six times from half a second on, 10.9 a second; the first code is in the controller, which nobody reads.
      assert.equal(output.length, typematic ? 6 : 0);
      assert.ok(output.every((code) => code === 0x1c));
      await guest.close();
    }
  });

  it('stops at a limit, at a breakpoint, and goes on past it', async () => {
    const subject = await make(TICKS);
    assert.equal((await subject.resume({ position: 10 })).reason.kind, 'limit');
    await subject.guest.setTriggers([{ kind: 'execute', id: 7, address: TICKS_LOOP }]);
    const early = await subject.resume();
    assert.deepEqual(early.reason, { kind: 'breakpoint', ids: [7] });
    // Programming the PIT has latched an interrupt: it comes in the first turn, one instruction after STI.
    const first = await subject.resume();
    assert.equal(first.position, early.position + 13);
    assert.equal(first.rip, TICKS_LOOP);
    const second = await subject.resume();
    assert.equal(second.rip, TICKS_LOOP);
    assert.equal(second.position, first.position + 3, 'one turn of the loop');
    assert.equal(subject.count('stopped'), subject.count('running'));
  });

  it('samples where the guest is, without a trace in it', async () => {
    const [plain, sampled] = [await make(TICKS), await make(TICKS)];
    await plain.resume({ position: 20_000 });
    await sampled.resume({ position: 20_000, sampleEvery: 97 });
    assert.equal(await sampled.guest.stateHash(), await plain.guest.stateHash());
    const { every, samples, statistics } = await sampled.guest.profile();
    assert.equal(every, 97);
    assert.equal(
      Object.values(samples).reduce((a, b) => a + b),
      Math.floor(20_000 / 97),
    );
    assert.ok(
      Object.keys(samples).every((key) => / 0$/.test(key)),
      'all at privilege 0',
    );
    assert.ok(samples[`${TICKS_LOOP.toString(16)} 0`]! > 0, 'the loop is among them');
    assert.ok(statistics.exits['interrupt']! > 0 && statistics.exits['port write']! > 0);
    assert.deepEqual((await plain.guest.profile()).samples, {});
  });

  it('judges conditions, hit counts and log points beside the guest', async () => {
    const subject = await make(TICKS);
    const { guest } = subject;
    await guest.setTriggers([
      { kind: 'execute', id: 1, address: TICKS_LOOP, condition: 'u16[0x600] == 100' },
      { kind: 'execute', id: 2, address: TICKS_LOOP, log: 'turn {u16[0x600]}' },
    ]);
    await subject.resume();
    assert.deepEqual([...(await guest.readMemory(0, 'physical', 0x600n, 2))], [100, 0]);
    assert.equal(subject.count('log'), 101);
    await guest.setTriggers([{ kind: 'execute', id: 3, address: TICKS_ISR, hits: { compare: '==', value: 3 } }]);
    await subject.resume();
    assert.deepEqual([...(await guest.readMemory(0, 'linear', 0x604n, 2))], [3, 0], 'one interrupt before, and two of three');
    await assert.rejects(guest.setTriggers([{ kind: 'execute', id: 4, address: 0n, condition: '1 +' }]), refused('condition'));
  });

  it('stops after a port access and says which', async () => {
    const subject = await make(TICKS);
    await subject.guest.setTriggers([{ kind: 'port', id: 5, first: 0x43, count: 1, access: 'write' }]);
    const { reason } = await subject.resume();
    assert.deepEqual(reason, { kind: 'trigger', ids: [5], description: 'write of 0x34 to port 0x43 (pit)' });
  });

  it('stops at the interrupt that a trigger names', async () => {
    const subject = await make(TICKS);
    await subject.guest.setTriggers([{ kind: 'interrupt', id: 6, vector: 0x20 }]);
    const { reason, rip } = await subject.resume();
    assert.equal(reason.kind, 'trigger');
    assert.equal(rip, TICKS_ISR);
  });

  it('stops at the exception that a trigger names, before its handler', async () => {
    const subject = await make(DIVIDE);
    await subject.guest.setTriggers([{ kind: 'exception', id: 8, vector: 0 }]);
    const { reason, rip, position } = await subject.resume();
    assert.deepEqual(reason, { kind: 'trigger', ids: [8], description: '#DE on vCPU 0' });
    assert.deepEqual([rip, position], [0n, 2], 'its delivery takes a position');
  });

  it('stops after an access to watched memory, if the condition holds', async () => {
    const subject = await make(TICKS);
    await subject.guest.setTriggers([{ kind: 'watch', id: 9, space: 'physical', address: 0x604n, length: 2, access: 'write', condition: 'u16[0x604] == 2' }]);
    const { reason, rip } = await subject.resume();
    assert.ok(reason.kind === 'watchpoint');
    assert.deepEqual([reason.ids, reason.write, reason.size], [[9], true, 2]);
    assert.equal(rip, TICKS_ISR + 5n, 'the instruction that writes has completed');
  });

  it('steps in, over and out', async () => {
    const subject = await make(ECHO);
    const { guest } = subject;
    await guest.setTriggers([{ kind: 'execute', id: 1, address: ECHO_CALL }]);
    await guest.serialInput(0, Uint8Array.of(0x41));
    await subject.resume();
    await guest.setTriggers([]);
    assert.equal((await subject.move(() => guest.step('in', 0))).rip, ECHO_WORK);
    assert.equal((await subject.move(() => guest.step('out', 0))).rip, ECHO_CALL + 3n);
    await guest.setTriggers([{ kind: 'execute', id: 1, address: ECHO_CALL }]);
    await guest.serialInput(0, Uint8Array.of(0x42));
    await subject.resume();
    await guest.setTriggers([]);
    const over = await subject.move(() => guest.step('over', 0));
    assert.equal(over.rip, ECHO_CALL + 3n);
    assert.equal(over.reason.kind, 'step');
    assert.deepEqual([...(await guest.readMemory(0, 'physical', 0x600n, 1))], [2]);
    assert.equal(subject.serial, 'ab');
  });

  it('stops a step over where the user wants to stop on the way', async () => {
    const subject = await make(ECHO);
    const { guest } = subject;
    await guest.setTriggers([
      { kind: 'execute', id: 1, address: ECHO_CALL },
      { kind: 'execute', id: 2, address: ECHO_WORK },
    ]);
    await guest.serialInput(0, Uint8Array.of(0x41));
    await subject.resume();
    const stop = await subject.move(() => guest.step('over', 0));
    assert.equal(stop.rip, ECHO_WORK);
  });

  it('pauses within 50 ms, and answers while it runs', async () => {
    const subject = await make(ECHO);
    const stopped = subject.resume();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok((await subject.guest.status()).running);
    const start = performance.now();
    await subject.guest.pause();
    assert.ok(performance.now() - start < 50);
    assert.equal((await stopped).reason.kind, 'pause');
    assert.ok(!(await subject.guest.status()).running);
  });

  it('refuses two motions at once, and history where there is none', async () => {
    const subject = await make(ECHO);
    const stopped = subject.resume();
    await assert.rejects(subject.guest.resume(), refused('running'));
    await assert.rejects(subject.guest.step('in', 0), refused('running'));
    await subject.guest.pause();
    await stopped;
    await assert.rejects(subject.guest.stepBack(0), refused('no-history'));
    await assert.rejects(subject.guest.step('in', 1), refused('no-vcpu'));
  });

  it('waits for a text of the serial line, exactly', async () => {
    const ends: number[] = [];
    for (let run = 0; run < 2; run++) {
      const subject = await make(ECHO);
      await subject.guest.serialInput(0, new TextEncoder().encode('LINUX RULES'));
      const { reason, position } = await subject.resume({ serial: ['ru'] });
      assert.equal(reason.kind, 'limit');
      assert.equal(subject.serial, 'linux\0ru');
      ends.push(position);
    }
    assert.equal(ends[0], ends[1]);
  });

  it('records hashes at multiples, the same in every run', async () => {
    const runs = await Promise.all([make(TICKS), make(TICKS)]);
    for (const subject of runs) await subject.resume({ position: 500_000, hashEvery: 100_000, unattended: true });
    const [first, second] = runs.map(({ events }) => events.filter(({ event }) => event === 'hash'));
    assert.equal(first!.length, 5);
    assert.deepEqual(first, second);
    assert.equal(new Set(first!.map((event) => (event.event === 'hash' ? event.hash : ''))).size, 5);
  });

  it('records the hash of a position with the inputs that come to it there', async () => {
    const other = await make(TICKS);
    await other.resume({ position: 100_000, unattended: true });
    const without = await other.guest.stateHash();
    await other.guest.key('KeyA', true);
    const pressed = await other.guest.stateHash();
    const guest = await LocalGuest.create(CONFIG, {
      images: TICKS,
      binaries: await compiled(),
      pace: { ...nodePace, yield: async () => void (guest.machine.position === 100_000 && (await guest.key('KeyA', true))) },
    });
    const subject = new Subject(guest);
    await subject.resume({ position: 150_000, hashEvery: 100_000, unattended: true });
    assert.deepEqual(
      subject.events.flatMap((event) => (event.event === 'hash' ? [[event.position, event.hash]] : [])),
      [[100_000, pressed]],
    );
    assert.notEqual(pressed, without);
  });

  it('tells how a guest ended', async () => {
    assert.deepEqual((await (await make(EXIT)).resume()).reason, { kind: 'exit', code: 0x43 });
    assert.equal((await (await make(TRIPLE)).resume()).reason.kind, 'shutdown');
    assert.deepEqual((await (await make(DEAD)).resume({ unattended: true })).reason, { kind: 'idle' });
  });

  it('shows and changes registers, flags and devices', async () => {
    const { guest } = await make(ECHO);
    await guest.setVcpuState(0, ['general', 'rbx'], 0x1234n);
    await guest.setVcpuState(0, ['flags', 'CF'], 1n);
    await guest.setVcpuState(0, ['segments', 'es', 'base'], 0x9000n);
    await guest.setVcpuState(0, ['sse', 'xmm3'], (1n << 127n) | 5n);
    const registers = await guest.registers(0);
    assert.deepEqual([registers.rbx, registers.rflags! & 1n, registers['es.base'], registers.cs], [0x1234n, 1n, 0x9000n, 0n]);
    const state = await guest.vcpuState(0);
    assert.equal(find(state, 'flags', 'CF').value, 1n);
    assert.equal(find(state, 'sse', 'xmm3').value, (1n << 127n) | 5n);
    await guest.setDeviceState(['com1', 'lcr', 'DLAB'], 1n);
    assert.equal(find(await guest.deviceState(), 'com1', 'lcr').value, 0x80n);
    await assert.rejects(guest.setVcpuState(0, ['general', 'nothing'], 0n), refused('no-field'));
    await assert.rejects(guest.setVcpuState(0, ['general', 'rax'], 1n << 64n), refused('field-range'));
    await assert.rejects(guest.setDeviceState(['com1', 'lcr', '__proto__'], 0n), refused('no-field'));
  });

  it('reads and writes memory as the guest sees it', async () => {
    const { guest } = await make(ECHO);
    assert.equal(await guest.writeMemory(0, 'linear', 0x1ffen, Uint8Array.of(1, 2, 3, 4)), 4);
    assert.deepEqual([...(await guest.readMemory(0, 'physical', 0x1ffen, 4))], [1, 2, 3, 4]);
    assert.equal((await guest.readMemory(0, 'physical', 0x9fff0n, 0x20)).length, 0x10, 'the VGA hole is no memory');
    assert.equal((await guest.readMemory(0, 'physical', BigInt(CONFIG.memory) - 2n, 8)).length, 2);
    assert.equal(await guest.translate(0, 0x1234n), 0x1234n);
  });

  it("says that a bad configuration is the user's", async () => {
    await assert.rejects(make({}), refused('no-kernel'));
    await assert.rejects(make(ECHO, { cpus: 0 }), refused('cpus'));
    await assert.rejects(make(ECHO, { memory: 1 << 20 }), refused('memory-size'));
  });
});
