/** Stepping back, travelling and searching backwards in a Linux boot, held against what was seen on the way forward. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { MachineConfig, Stop } from '../../emulator/machine/api';
import { openGuest } from '../../emulator/machine/open';
import { Random } from '../oracle/random';
import { moved } from '../motion';

const folder = join(__dirname, '../../.cache/guests/linux-cloud');
const SEED = Number(process.env['REPLAY_SEED'] ?? 1);
const POINTS = 3;
const STEPS = 6;

const config = (cpus: number): MachineConfig => ({
  kernel: join(folder, 'vmlinuz'),
  initrd: join(folder, 'initrd.gz'),
  append: 'console=ttyS0 nokaslr',
  memory: 256 << 20,
  cpus,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: false,
  historyBytes: 512 << 20,
  checkpointEvery: 10_000_000,
  debugExitPort: false,
});

function symbol(name: string): bigint {
  const line = readFileSync(join(folder, 'System.map'), 'utf8')
    .split('\n')
    .find((text) => text.endsWith(` ${name}`));
  assert.ok(line, name);
  return BigInt(`0x${line.slice(0, 16)}`);
}

describe('history of a Linux boot', function () {
  this.timeout(900_000);
  before(function () {
    if (existsSync(join(folder, 'vmlinuz'))) return;
    console.log("      skipped: no guest; 'npm run guests' fetches it");
    this.skip();
  });

  for (const cpus of [1, 2])
    it(`forward ${STEPS} and back ${STEPS}, at ${POINTS} points, ${cpus} vCPU, seed ${SEED}`, async () => {
      const guest = await openGuest(config(cpus));
      const random = new Random(SEED);
      const latencies: number[] = [];
      for (let point = 0; point < POINTS; point++) {
        const { position } = await guest.status();
        await moved(guest, () => guest.resume({ position: position + 50_000_000 + random.below(60_000_000), unattended: true }));
        const seen: { position: number; hash: string; vcpu: number }[] = [];
        for (let i = 0; i < STEPS; i++) {
          const { position: at } = await guest.status();
          const hash = await guest.stateHash();
          const stop = await moved(guest, () => guest.step('in', 0));
          seen.push({ position: at, hash, vcpu: stop.vcpu });
        }
        for (const { position: at, hash } of seen.reverse()) {
          const start = performance.now();
          const stop = await moved(guest, () => guest.stepBack(0));
          latencies.push(performance.now() - start);
          if (cpus === 1) assert.equal(stop.position, at);
          if (stop.position === at) assert.equal(await guest.stateHash(), hash, `at ${at}`);
        }
        const { position: here, newest } = await guest.status();
        const before = await guest.stateHash();
        await moved(guest, () => guest.travel(random.below(here)));
        await moved(guest, () => guest.travel(here));
        assert.equal(await guest.stateHash(), before, 'there and back');
        await moved(guest, () => guest.travel(newest));
      }
      console.log(`        step back: ${latencies.map((ms) => ms.toFixed(0)).join(' ')} ms`);
      await guest.close();
    });

  it('steps back a vCPU that has not run for a while', async () => {
    const guest = await openGuest(config(2));
    await moved(guest, () => guest.resume({ position: 500_000_000, unattended: true }));
    for (let i = 0; i < 4; i++) {
      const { position } = await guest.status();
      await moved(guest, () => guest.resume({ position: position + 1_007_003, unattended: true }));
      for (const vcpu of [0, 1]) {
        const registers = await guest.registers(vcpu);
        const { position: here } = await guest.status();
        const stop = await moved(guest, () => guest.stepBack(vcpu));
        assert.equal(stop.reason.kind, 'step', `vCPU ${vcpu} at ${here}`);
        const { position: back } = await guest.status();
        assert.ok(back < here);
        await moved(guest, () => guest.step('in', vcpu));
        assert.deepEqual(await guest.registers(vcpu), registers, `vCPU ${vcpu} stood there at ${here} since ${back}`);
        await moved(guest, () => guest.travel(here));
      }
    }
    await guest.close();
  });

  it('searches backwards: the last hit first, then the one before it', async () => {
    const guest = await openGuest(config(1));
    await moved(guest, () => guest.resume({ position: 130_000_000, unattended: true }));
    await guest.setTriggers([{ kind: 'execute', id: 7, address: symbol('vprintk_emit') }]);
    const hits: Stop[] = [];
    for (let i = 0; i < 5; i++) hits.push(await moved(guest, () => guest.resume({ unattended: true })));
    for (const { reason } of hits) assert.deepEqual(reason, { kind: 'breakpoint', ids: [7] });
    await moved(guest, () => guest.resume({ position: hits[4]!.position + 1000, unattended: true }));
    for (const hit of [...hits].reverse()) {
      const stop = await moved(guest, () => guest.reverseContinue());
      assert.deepEqual(stop.reason, { kind: 'breakpoint', ids: [7] });
      assert.equal(stop.position, hit.position);
      assert.equal(stop.rip, hit.rip);
    }
    await guest.setTriggers([]);
    const stop = await moved(guest, () => guest.reverseContinue());
    assert.equal(stop.reason.kind, 'history-start');
    assert.equal(stop.position, (await guest.status()).oldest);
    await guest.close();
  });

  for (const [what, trigger, cpus] of [
    ['a page fault', { kind: 'exception', id: 3, vector: 14 }, 1],
    ['an interrupt', { kind: 'interrupt', id: 3, vector: 0xec }, 2],
  ] as const)
    it(`keys that were pressed while the guest stood at ${what} come there again, and nowhere else, ${cpus} vCPU`, async () => {
      const guest = await openGuest(config(cpus));
      await moved(guest, () => guest.resume({ serial: ['/ # '], unattended: true }));
      const { position: start } = await guest.status();
      await guest.setTriggers([trigger]);
      await guest.serialInput(0, Buffer.from('ls -l /bin /dev\n'));
      const positions: number[] = [];
      for (let stops = 0; stops < 40; stops++) {
        const { reason, position } = await moved(guest, () => guest.resume({ unattended: true }));
        assert.equal(reason.kind, 'trigger');
        positions.push(position);
        await guest.serialInput(0, Buffer.from('a'));
      }
      if (cpus === 1) assert.equal(new Set(positions).size, positions.length, 'each has a position of its own');
      await guest.setTriggers([]);
      const end = positions.at(-1)! + 1_000_000;
      await moved(guest, () => guest.resume({ position: end, unattended: true }));
      const hash = await guest.stateHash();
      await moved(guest, () => guest.travel(start));
      await moved(guest, () => guest.resume({ position: end, unattended: true }));
      assert.equal(await guest.stateHash(), hash);
      await guest.close();
    });

  it('a snapshot file is resumed as it was, and goes on the same', async () => {
    const folderOfSnapshot = mkdtempSync(join(tmpdir(), 'guest-'));
    const path = join(folderOfSnapshot, 'boot.guest');
    const guest = await openGuest(config(2));
    await moved(guest, () => guest.resume({ position: 125_000_000, unattended: true }));
    await guest.save(path);
    const hash = await guest.stateHash();
    await moved(guest, () => guest.resume({ position: 135_000_000, unattended: true }));
    const later = await guest.stateHash();
    await guest.close();
    const resumed = await openGuest(undefined, { snapshot: path });
    assert.equal(await resumed.stateHash(), hash);
    await moved(resumed, () => resumed.resume({ position: 135_000_000, unattended: true }));
    assert.equal(await resumed.stateHash(), later);
    await moved(resumed, () => resumed.stepBack(0));
    assert.equal((await resumed.status()).oldest, 125_000_000);
    await resumed.close();
    const damaged = readFileSync(path).subarray(0, 100_000);
    writeFileSync(path, damaged);
    await assert.rejects(openGuest(undefined, { snapshot: path }), /snapshot '.*boot\.guest': it is damaged/);
    rmSync(folderOfSnapshot, { recursive: true });
  });

  it('a checkpoint is restored as it was, and another future can follow', async () => {
    const guest = await openGuest(config(1));
    await moved(guest, () => guest.resume({ position: 60_000_000, unattended: true }));
    const { id } = await guest.checkpoint('here');
    const hash = await guest.stateHash();
    await moved(guest, () => guest.resume({ position: 75_000_000, unattended: true }));
    const later = await guest.stateHash();
    await moved(guest, () => guest.restore(id));
    assert.equal(await guest.stateHash(), hash);
    await moved(guest, () => guest.resume({ position: 75_000_000, unattended: true }));
    assert.equal(await guest.stateHash(), later, 'the same future');
    const { id: left } = await guest.checkpoint('left behind');
    await moved(guest, () => guest.restore(id));
    await guest.setVcpuState(0, ['general', 'r15'], 0x1234n);
    assert.equal((await guest.status()).newest, 60_000_000);
    await moved(guest, () => guest.resume({ position: 60_000_100, unattended: true }));
    assert.notEqual((await guest.status()).newest, 75_000_000);
    assert.ok((await guest.checkpoints()).some((checkpoint) => checkpoint.name === 'here' && checkpoint.kept));
    const other = await guest.stateHash();
    const { id: onOther } = await guest.checkpoint('other');
    // The future that was left is still there, with its past; and so is the one that is left for it.
    await moved(guest, () => guest.restore(left));
    assert.equal(await guest.stateHash(), later, 'the old branch');
    await moved(guest, () => guest.travel(60_000_000));
    assert.equal(await guest.stateHash(), hash, 'the past that both have');
    await moved(guest, () => guest.travel(75_000_000));
    assert.equal(await guest.stateHash(), later, 'and forward on the old branch');
    await moved(guest, () => guest.restore(onOther));
    assert.equal(await guest.stateHash(), other, 'the branch with the changed register');
    await moved(guest, () => guest.travel(59_999_000));
    await moved(guest, () => guest.travel(60_000_100));
    assert.equal(await guest.stateHash(), other, 'and its input is replayed');
    await guest.close();
  });
});
