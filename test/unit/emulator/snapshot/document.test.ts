/** docs/snapshot-format.md against the code: another reader is written from it alone, so nothing may be missing there. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig } from '../../../../emulator/machine/api';
import { closeDisks, openDisks } from '../../../../emulator/machine/disks';
import type { Input } from '../../../../emulator/machine/journal';
import { Machine } from '../../../../emulator/machine/machine';
import type { News } from '../../../../emulator/network/outside';
import { asList, asMap, type Fields } from '../../../../emulator/snapshot/cbor';
import { configToFields, fieldsToConfig } from '../../../../emulator/snapshot/configchunk';
import { LIMITS } from '../../../../emulator/snapshot/format';
import { journalToFields } from '../../../../emulator/snapshot/journalchunk';
import { regionsOf } from '../../../../emulator/snapshot/memorychunk';
import { VERSIONS } from '../../../../emulator/snapshot/statechunks';
import { UPGRADES } from '../../../../emulator/snapshot/upgrades';
import { BOARDS } from '../../../fuzz/boards';
import { compiled } from '../machine/guests';

const text = readFileSync(join(__dirname, '../../../../docs/snapshot-format.md'), 'utf8');
const section = (title: string): string => text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? assert.fail(title);
/** What is in backticks. */
const named = (cell: string): readonly string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
const rows = (title: string): (readonly string[])[] => [...section(title).matchAll(/^\| (.+) \|$/gm)].map(([, row]) => row!.split(' | '));

const NEWS: { readonly [Kind in News['kind']]: Extract<News, { kind: Kind }> } = {
  connected: { kind: 'connected', flow: 1 },
  aborted: { kind: 'aborted', flow: 1 },
  ended: { kind: 'ended', flow: 1 },
  bytes: { kind: 'bytes', flow: 1, bytes: Uint8Array.of(1) },
  taken: { kind: 'taken', flow: 1, count: 1 },
  accepted: { kind: 'accepted', flow: 1, port: 22 },
  datagram: { kind: 'datagram', flow: 1, address: 1, port: 53, bytes: Uint8Array.of(1) },
  resolved: { kind: 'resolved', flow: 1, outcome: 'found', addresses: [1] },
  lost: { kind: 'lost' },
};
const EVENTS: { readonly [Kind in Input['kind']]: Extract<Input, { kind: Kind }> } = {
  serial: { kind: 'serial', port: 0, bytes: Uint8Array.of(1) },
  key: { kind: 'key', code: 'KeyA', down: true },
  pointer: { kind: 'pointer', dx: 1, dy: 1, wheel: 1, buttons: 1, x: 1, y: 1 },
  network: { kind: 'network', news: Object.values(NEWS) },
  entropy: { kind: 'entropy', bytes: Uint8Array.of(1) },
  reset: { kind: 'reset' },
  vcpu: { kind: 'vcpu', vcpu: 0, path: ['general', 'rax'], value: 1n },
  device: { kind: 'device', path: ['com1', 'lcr'], value: 1n },
  memory: { kind: 'memory', address: 1, bytes: Uint8Array.of(1) },
};
const CONFIG: Required<MachineConfig> = {
  kernel: 'a', initrd: 'b', firmware: 'c', vars: 'd', bios: 'e', vgaBios: 'f', append: 'g', modules: ['h'],
  chipset: 'q35', display: 'vga', legacyVga: 'io', fwCfg: { name: 'text' }, loadAddress: 0, loadMode: 'real',
  disks: [{ path: 'a', kind: 'disk', bus: 'virtio', overlay: 'b', readOnly: false, format: 'raw', serial: 'c' }],
  rngSeed: 1, typematic: true, virtioConsole: true, usb: ['tablet'],
  network: { mode: 'user', device: 'e1000', mac: '52:54:00:12:34:56', forwards: [{ host: 1, guest: 2 }] },
  memory: 1 << 24, cpus: 1, startTime: 0, framebuffer: { width: 1, height: 1 }, historyBytes: 0, tier: 'auto', checkpointEvery: 1, debugExitPort: false,
}; // prettier-ignore

describe('the document of snapshot files', () => {
  /** Each field of what is of a kind is named in the row of that. */
  function checkKinds(all: readonly Fields[]): void {
    const told = rows('Journal').flatMap(([kinds, fields]) => named(kinds!).map((kind) => [kind, named(fields ?? '').join(' ')] as const));
    for (const item of all) {
      const kind = item.get('kind') as string;
      const found = told.filter(([each]) => each === kind).map(([, fields]) => fields.split(' '));
      // Of two tables, the names of `bytes` and the like are each one's own.
      for (const name of item.keys())
        assert.ok(name === 'kind' || name === 'position' || found.some((fields) => fields.includes(name)), `${kind}: nothing says what ${name} is`);
      assert.ok(found.length > 0, kind);
    }
  }
  it('has every event of the journal, and every field of it', () => {
    const events = asList(journalToFields(Object.values(EVENTS).map((input) => ({ position: 1, input }))).get('events'), 'events').map((each) => asMap(each, 'event')); // prettier-ignore
    checkKinds(events);
    checkKinds(asList(events.find((event) => event.get('kind') === 'network')!.get('news'), 'news').map((each) => asMap(each, 'news')));
  });

  it('has every field of the configuration', () => {
    const told = rows('Configuration').slice(1);
    assert.deepEqual(told.flatMap(([names]) => named(names!)).sort(), Object.keys(CONFIG).sort());
    assert.deepEqual(fieldsToConfig(configToFields(CONFIG)), CONFIG);
    const of = (name: string): string => told.find(([names]) => named(names!).includes(name))![1]!;
    for (const name of ['disks', 'network'] as const) {
      const inner = Object.keys(name === 'disks' ? CONFIG.disks[0]! : CONFIG.network);
      assert.ok(of(name).includes(`\`{${inner.join(', ')}}\``), name);
    }
  });

  it('has the limits', () => {
    const mebibytes = (bytes: number): string => `${bytes >> 20} MiB`;
    for (const limit of [
      `| Manifest | ${mebibytes(LIMITS.manifest)} |`,
      `| ${LIMITS.chunks}; ${mebibytes(LIMITS.chunk)} each and ${mebibytes(LIMITS.total)} together`,
      `| ${LIMITS.blobs} of ${mebibytes(LIMITS.blob)} each`,
      `| ${LIMITS.chain} |`,
      `| ${LIMITS.image >> 30} GiB together |`,
    ])
      assert.ok(section('Manifest').includes(limit), limit);
    assert.ok(text.includes(`nested ${LIMITS.depth} levels deep at most`));
  });

  it('has every version that is not the first, to which a way leads from the first; and every memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-'));
    const path = join(folder, 'disk.img');
    writeFileSync(path, new Uint8Array(1 << 20));
    const versions = new Map<string, number>(Object.entries(VERSIONS));
    for (const { config: board, images } of BOARDS) {
      const config: MachineConfig = { ...board, disks: [{ path }, { path, bus: 'ahci' }, { path, kind: 'cdrom' }, { path, bus: 'nvme' }] };
      const machine = await Machine.create(config, { ...images, disks: openDisks(config) }, await compiled(), { serial: () => false });
      for (const { kind, version } of machine.devices) versions.set(`device.${kind}`, version);
      for (const { name } of regionsOf(machine)) assert.ok(section('Memory').includes(`\`${name}\``), name);
      closeDisks(machine.disks);
    }
    rmSync(folder, { recursive: true });
    assert.ok(versions.size > 40, `${versions.size} kinds`);
    const later = [...versions].filter(([, version]) => version > 1);
    for (const [kind, version] of later)
      for (let from = 1; from < version; from++) assert.ok(UPGRADES[kind]?.[from], `nothing leads from version ${from} of ${kind} to ${version}`);
    const told = rows('Chunks').filter(([, version]) => /^\d+$/.test(version ?? ''));
    assert.deepEqual(told.map(([kind, version]) => [named(kind!)[0], Number(version)]), later.sort(([a], [b]) => (a < b ? -1 : 1))); // prettier-ignore
  });
});
