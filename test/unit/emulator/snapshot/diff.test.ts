/** What two snapshot files say of two moments, and files made new. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { differenceText } from '../../../../emulator/cli/snapshotactions';
import type { Guest, MachineConfig } from '../../../../emulator/machine/api';
import { openGuest } from '../../../../emulator/machine/open';
import type { Fields } from '../../../../emulator/snapshot/cbor';
import { diffSnapshots } from '../../../../emulator/snapshot/diff';
import { inspectSnapshot, upgradeSnapshot } from '../../../../emulator/snapshot/tools';
import type { Upgrades } from '../../../../emulator/snapshot/upgrades';

const config: MachineConfig = {
  kernel: join(__dirname, '../../../../samples/hello/hello.elf'),
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: false,
  historyBytes: 16 << 20,
  checkpointEvery: 1_000_000,
  debugExitPort: false,
};

describe('the difference of two snapshots', () => {
  let folder: string;
  let guest: Guest;
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-'));
    guest = await openGuest(config);
    await guest.writeMemory(0, 'physical', 0x900000n, Buffer.alloc(3 * 4096, 1));
    await guest.save(at('a'), { historyBytes: 16 << 20 });
  });
  after(async () => {
    await guest.close();
    rmSync(folder, { recursive: true });
  });

  it('is nothing for two of the same moment', async () => {
    assert.deepEqual(await diffSnapshots(at('a'), at('a')), []);
    assert.equal(differenceText([]), '');
  });

  it('names registers, bits, chips, pages and events', async () => {
    const state = await guest.vcpuState(0);
    assert.ok(state.length > 0);
    const { rflags, rax } = await guest.registers(0);
    await guest.setVcpuState(0, ['flags', 'ZF'], rflags! & 0x40n ? 0n : 1n);
    await guest.setVcpuState(0, ['general', 'rax'], rax! + 0x1234567890n);
    await guest.setDeviceState(['com1', 'lcr', 'DLAB'], 1n);
    await guest.writeMemory(0, 'physical', 0x900ffen, Buffer.from([9, 9, 9, 9]));
    await guest.writeMemory(0, 'physical', 0xa00000n, Buffer.from([5]));
    await guest.writeMemory(0, 'physical', 0x902000n, Buffer.alloc(4096));
    await guest.save(at('b'));
    const found = await diffSnapshots(at('a'), at('b'));
    const one = (where: string, what: string) => {
      const difference = found.find((each) => each.where === where && each.what === what);
      assert.ok(difference, `${where} ${what}: ${JSON.stringify(found)}`);
      return difference;
    };
    assert.deepEqual(one('vcpu 0', 'general.rflags').bits, [{ name: 'ZF', before: rflags! & 0x40n ? '1' : '0', after: rflags! & 0x40n ? '0' : '1' }]);
    const big = (value: unknown): bigint => BigInt(value as string);
    assert.equal(big(one('vcpu 0', 'general.rax').after) - big(one('vcpu 0', 'general.rax').before), 0x1234567890n);
    assert.deepEqual(one('com1', 'lcr').bits, [{ name: 'DLAB', before: '0', after: '1' }]);
    assert.ok(one('com1', 'lcr').about);
    assert.equal(one('memory', 'ram 0x900000–0x902fff').after, `${4 + 4096} bytes differ, the first at 0x900ffe`);
    assert.equal(one('memory', 'ram 0xa00000–0xa00fff').after, '1 bytes differ, the first at 0xa00000');
    const events = found.filter(({ where, what }) => where === 'journal' && what.startsWith('events['));
    assert.ok(events.every(({ before }) => before === undefined));
    assert.deepEqual(
      events.map(({ after }) => (after as { kind: string }).kind),
      ['vcpu', 'vcpu', 'device', 'memory', 'memory', 'memory', 'memory'],
    ); // one of them crosses pages
    assert.match(one('history', 'checkpoints').before as string, /^2: position \d+ to position \d+$/);
    // And nothing that is as it was.
    assert.deepEqual(new Set(found.map(({ where }) => where)), new Set(['vcpu 0', 'com1', 'memory', 'journal', 'machine', 'history']));
    assert.deepEqual(found.filter(({ where }) => where === 'machine').map(({ what }) => what), ['journal']); // prettier-ignore

    const text = differenceText(found);
    assert.match(text, /^com1\n {2}lcr +\d+ → 0x8\w {3}DLAB 0 → 1 {3}\(.+\)$/m);
    assert.match(text, /^memory\n {2}ram 0x900000/m);

    const back = await diffSnapshots(at('b'), at('a'));
    assert.equal(back.length, found.length);
    assert.equal(back.find(({ what }) => what === 'lcr')!.bits![0]!.after, '0');
  });

  it('files are brought up to date, the past in them too', async () => {
    assert.deepEqual(await upgradeSnapshot(at('a'), at('same')), []);
    assert.ok(readFileSync(at('same')).equals(readFileSync(at('a'))), 'what is new stays as it is, byte for byte');
    // As if a later version had renamed a register.
    const renamed = (fields: Fields): Fields => new Map([...fields].map(([name, value]) => [name === 'lcr' ? 'lineControl' : name, value]));
    const upgrades: Upgrades = { 'device.uart16550': { 1: renamed } };
    assert.deepEqual(await upgradeSnapshot(at('a'), at('new'), upgrades), ['device.uart16550']);
    const { chunks } = await inspectSnapshot(at('new'));
    const of = (kind: string) => chunks.filter((chunk) => chunk.kind === kind);
    for (const { version, fields } of of('device.uart16550')) assert.deepEqual([version, 'lcr' in fields, 'lineControl' in fields], [2, false, true]);
    assert.ok(of('device.uart16550').length > 0 && of('history').length > 0);
    for (const { fields } of of('history')) {
      const uarts = (fields['devices'] as { kind: string; version: number; fields: object }[]).filter(({ kind }) => kind === 'uart16550');
      assert.ok(uarts.length > 0);
      for (const uart of uarts) assert.deepEqual([uart.version, 'lcr' in uart.fields, 'lineControl' in uart.fields], [2, false, true]);
    }
    assert.equal('device.uart16550' in of('schema')[0]!.fields, false, 'the old meaning is not told of the new fields');
    assert.deepEqual(await upgradeSnapshot(at('new'), at('newer'), upgrades), []);
    await assert.rejects(openGuest(undefined, { snapshot: at('new') }), /newer than 1/);
  });

  it('tells of the checkpoints that one past has alone', async () => {
    await guest.checkpoint('named');
    await guest.save(at('c'), { historyBytes: 16 << 20 });
    const past = (await diffSnapshots(at('a'), at('c'))).filter(({ where }) => where === 'history');
    const { position } = await guest.status();
    assert.deepEqual(past, [{ where: 'history', what: 'checkpoint', after: `position ${position} 'named'` }]);
  });

  it('files that can not be read are named', async () => {
    await assert.rejects(diffSnapshots(at('a'), at('none')), /^EmulatorError: snapshot '[^']*none': it can not be read: there is no such file/);
    await assert.rejects(upgradeSnapshot(at('a'), '/nowhere/x'), /there is no such folder/);
  });
});
