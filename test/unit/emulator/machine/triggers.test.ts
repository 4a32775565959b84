import assert from 'node:assert/strict';
import type { MachineConfig, Stop, Trigger } from '../../../../emulator/machine/api';
import type { Images } from '../../../../emulator/machine/images';
import { LocalGuest } from '../../../../emulator/machine/local';
import { nodePace } from '../../../../emulator/machine/node';
import { Timeline } from '../../../../emulator/snapshot/timeline';
import { compiled, CONFIG, DEAD, SMP, SMP_CONFIG, SYSTEM, TICKS } from './guests';
import { moved } from '../../../motion';

const HISTORY = { historyBytes: 64 << 20, checkpointEvery: 100_000 };

async function make(images: Images, config: Partial<MachineConfig> = {}): Promise<{ guest: LocalGuest; logs: string[] }> {
  const history = (...args: ConstructorParameters<typeof Timeline>): Timeline => new Timeline(...args);
  const guest = await LocalGuest.create({ ...CONFIG, ...HISTORY, ...config }, { images, binaries: await compiled(), pace: nodePace, history });
  const logs: string[] = [];
  guest.on((event) => void (event.event === 'log' && logs.push(event.text)));
  return { guest, logs };
}

describe('triggers', function () {
  this.timeout(60_000);
  const description = ({ reason }: Stop): string => (reason.kind === 'trigger' ? reason.description : reason.kind);
  const first = async (trigger: Trigger, images = SYSTEM): Promise<string> => {
    const { guest } = await make(images);
    await guest.setTriggers([trigger]);
    return description(await moved(guest, () => guest.resume({ position: 1000, unattended: true })));
  };

  it('stop at HLT, at MSRs by index and access, and at CPUID by leaf', async () => {
    assert.equal(await first({ id: 1, kind: 'halt' }, DEAD), 'HLT on vCPU 0');
    assert.match(await first({ id: 1, kind: 'msr', index: 0x10, access: 'read' }), /^read of 0x[0-9a-f]+ from MSR 0x10 on vCPU 0$/);
    assert.match(await first({ id: 1, kind: 'msr', index: 'any', access: 'write' }), /^write of 0x[0-9a-f]+ to MSR 0x10 on vCPU 0$/);
    assert.equal(await first({ id: 1, kind: 'msr', index: 0x11, access: 'access' }), 'limit');
    assert.equal(await first({ id: 1, kind: 'cpuid', leaf: 1 }), 'CPUID leaf 0x1, subleaf 0x10 on vCPU 0');
    assert.equal(await first({ id: 1, kind: 'cpuid', leaf: 2 }), 'limit');
  });

  it('stop at changes of control registers and of the mode', async () => {
    const { guest } = await make(SYSTEM);
    await guest.setTriggers([{ id: 1, kind: 'control', register: 'mode' }]);
    const run = (): Promise<Stop> => moved(guest, () => guest.resume({ position: 1000, unattended: true }));
    assert.equal(description(await run()), 'mode switch from real mode to protected mode without paging on vCPU 0');
    assert.equal(description(await run()), 'mode switch from protected mode without paging to real mode on vCPU 0');
    assert.equal(description(await run()), 'limit');
    assert.match(await first({ id: 1, kind: 'control', register: 'cr0' }), /^CR0 changed from 0x[0-9a-f]*0 to 0x[0-9a-f]*1 on vCPU 0$/);
    assert.equal(await first({ id: 1, kind: 'control', register: 'cr4' }), 'limit');
  });

  it('on ports have conditions, hit counts and messages', async () => {
    const port = { id: 1, kind: 'port', first: 0x80, count: 1, access: 'write' } as const;
    assert.match(await first({ ...port, condition: 'value == 7 && port == 0x80 && write' }), /^write of 0x7 to port 0x80/);
    assert.match(await first({ ...port, condition: 'value >= 7', hits: { compare: '==', value: 3 } }), /^write of 0x9 to/);
    const { guest, logs } = await make(SYSTEM);
    await guest.setTriggers([{ ...port, condition: 'value < 3', log: 'port {port}: {value}' }]);
    assert.equal(description(await moved(guest, () => guest.resume({ position: 1000 }))), 'limit');
    assert.equal(logs.length, 3);
  });

  it('tell the vCPU that met them, though its turn ends there; a step of it is its own', async () => {
    const { guest } = await make(SMP, { ...SMP_CONFIG, cpus: 2 });
    await moved(guest, () => guest.resume({ position: 200_000, unattended: true }));
    await guest.setTriggers([{ id: 1, kind: 'halt' }]);
    await guest.writeMemory(0, 'physical', 0x610n, Uint8Array.of(1));
    const stop = await moved(guest, () => guest.resume({ position: 400_000, unattended: true }));
    assert.equal(description(stop), 'HLT on vCPU 1');
    assert.deepEqual([stop.vcpu, stop.rip], [1, (await guest.registers(1)).rip]);
    await guest.setTriggers([]);
    const halted = await guest.registers(1);
    await moved(guest, () => guest.stepBack(1));
    assert.notDeepEqual(await guest.registers(1), halted);
    const step = await moved(guest, () => guest.step('in', 1));
    assert.equal(step.position, stop.position);
    assert.deepEqual(await guest.registers(1), halted);
    assert.deepEqual(await moved(guest, () => guest.step('in', 0)).then(({ vcpu, position }) => [vcpu, position]), [0, stop.position + 1]);
    await guest.close();
  });

  it('are found backwards where a forward run stops, hit counts included', async () => {
    const { guest } = await make(SYSTEM);
    const trigger = { id: 1, kind: 'port', first: 0x80, count: 1, access: 'write', hits: { compare: '%', value: 1000 } } as const;
    await guest.setTriggers([trigger]);
    const hits: Stop[] = [];
    for (let i = 0; i < 5; i++) hits.push(await moved(guest, () => guest.resume({ unattended: true })));
    await guest.setTriggers([]);
    await moved(guest, () => guest.resume({ position: hits[4]!.position + 250_000, unattended: true }));
    const end = (await guest.status()).position;
    const back = (): Promise<Stop> => moved(guest, () => guest.reverseContinue());
    // Set now: what lies before is counted from the beginning.
    await guest.setTriggers([{ ...trigger, hits: { compare: '==', value: 4000 } }]);
    assert.equal((await back()).position, hits[3]!.position);
    assert.equal((await back()).reason.kind, 'history-start');
    await moved(guest, () => guest.travel(hits[4]!.position + 1));
    await guest.setTriggers([trigger]);
    for (const hit of [...hits].reverse()) assert.deepEqual(await back(), hit);
    assert.equal((await back()).reason.kind, 'history-start');
    await moved(guest, () => guest.travel(end));
    await guest.close();
  });

  it('a search backwards that is paused leaves the machine where it began, soon', async () => {
    const { guest } = await make(TICKS);
    await moved(guest, () => guest.resume({ position: 6_000_000, unattended: true }));
    await guest.setTriggers([{ id: 1, kind: 'port', first: 0x43, count: 1, access: 'write' }]);
    const hash = await guest.stateHash();
    const stopped = moved(guest, () => guest.reverseContinue());
    await new Promise((resolve) => setTimeout(resolve, 20));
    const start = performance.now();
    await guest.pause();
    const took = performance.now() - start;
    const stop = await stopped;
    assert.equal(stop.reason.kind, 'pause');
    assert.equal(stop.position, 6_000_000);
    assert.equal(await guest.stateHash(), hash);
    assert.ok(took < 250, `${took} ms`);
    await guest.close();
  });
});
