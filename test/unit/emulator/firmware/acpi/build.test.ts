import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ACPI_DISABLE, ACPI_ENABLE, ACPI_PORTS, SLEEP_TYPE_S5 } from '../../../../../emulator/devices/acpipm';
import { pirqOf } from '../../../../../emulator/devices/pci';
import { name } from '../../../../../emulator/firmware/acpi/aml';
import { buildAcpiTables, type AcpiTable } from '../../../../../emulator/firmware/acpi/build';
import { DEFAULT_TOPOLOGY, type AcpiTopology } from '../../../../../emulator/firmware/acpi/topology';

const FULL: AcpiTopology = {
  ...DEFAULT_TOPOLOGY,
  processors: [0, 1, 2, 3],
  vga: true,
  hpet: { address: 0xfed00000, id: 0x80860701 },
  pci: { ...DEFAULT_TOPOLOGY.pci, ecam: 0xe0000000, mem64: [0x8_00000000, 0x8_ffffffff] },
};
const PLAIN: AcpiTopology = { ...DEFAULT_TOPOLOGY, serial: [], keyboard: false, mouse: false };

const find = (tables: readonly AcpiTable[], signature: string): AcpiTable => tables.find((table) => table.name === signature)!;
const view = ({ bytes }: AcpiTable): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => (total + byte) & 0xff, 0);

describe('buildAcpiTables', () => {
  for (const [title, topology] of [
    ['full', FULL],
    ['default', DEFAULT_TOPOLOGY],
    ['plain', PLAIN],
  ] as const) {
    const tables = buildAcpiTables(topology);

    it(`${title}: places tables in the BIOS area without overlap, checksums right`, () => {
      const rsdp = find(tables, 'RSDP');
      assert.equal(rsdp.address, 0xf0000);
      assert.equal(sum(rsdp.bytes.subarray(0, 20)), 0);
      assert.equal(sum(rsdp.bytes), 0);
      let end = 0xe0000;
      for (const { name: signature, address, bytes } of tables) {
        assert.ok(address >= end && address + bytes.length <= 0x100000, signature);
        assert.equal(address % 16, 0);
        end = address + bytes.length;
        if (signature === 'RSDP') continue;
        assert.equal(Buffer.from(bytes.subarray(0, 4)).toString(), signature);
        assert.equal(view({ name: '', address, bytes }).getUint32(4, true), bytes.length);
        if (signature !== 'FACS') assert.equal(sum(bytes), 0, signature);
      }
      assert.equal(find(tables, 'FACS').address % 64, 0);
    });

    it(`${title}: links the tables`, () => {
      const [rsdp, rsdt, xsdt, fadt] = ['RSDP', 'RSDT', 'XSDT', 'FACP'].map((signature) => find(tables, signature));
      assert.equal(view(rsdp!).getUint32(16, true), rsdt!.address);
      assert.equal(view(rsdp!).getBigUint64(24, true), BigInt(xsdt!.address));
      const listed = tables.filter(({ name: n }) => !['RSDP', 'RSDT', 'XSDT', 'FACS', 'DSDT'].includes(n));
      listed.forEach(({ address }, i) => {
        assert.equal(view(rsdt!).getUint32(36 + 4 * i, true), address);
        assert.equal(view(xsdt!).getBigUint64(36 + 8 * i, true), BigInt(address));
      });
      assert.equal(rsdt!.bytes.length, 36 + 4 * listed.length);
      assert.equal(fadt!.bytes.length, 268);
      assert.equal(view(fadt!).getUint32(36, true), find(tables, 'FACS').address);
      assert.equal(view(fadt!).getUint32(40, true), find(tables, 'DSDT').address);
      assert.equal(view(fadt!).getBigUint64(140, true), BigInt(find(tables, 'DSDT').address));
    });

    it(`${title}: is read by iasl without complaint, and its DSDT compiles again`, function () {
      if (spawnSync('iasl', ['-v']).error) return this.skip();
      this.timeout(30_000);
      const directory = mkdtempSync(join(tmpdir(), 'acpi-'));
      try {
        for (const { name: signature, bytes } of tables) {
          if (signature === 'RSDP') continue; // not a table of its own to iasl
          const file = join(directory, `${signature}.aml`);
          writeFileSync(file, bytes);
          const { stdout, stderr, status } = spawnSync('iasl', ['-d', file], { encoding: 'utf8' });
          assert.equal(status, 0, stderr);
          assert.doesNotMatch(stdout + stderr, /error|warning|invalid|incorrect|could not/i);
          assert.doesNotMatch(readFileSync(join(directory, `${signature}.dsl`), 'utf8'), /incorrect checksum/i);
        }
        const { stdout, stderr } = spawnSync('iasl', [join(directory, 'DSDT.dsl')], { encoding: 'utf8' });
        assert.match(stdout + stderr, /0 Errors, 0 Warnings/);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }

  it('has HPET, MCFG and SPCR only when there is something to say', () => {
    const names = (topology: AcpiTopology): string[] => buildAcpiTables(topology).map(({ name: n }) => n);
    assert.deepEqual(names(PLAIN), ['RSDP', 'FACS', 'DSDT', 'FACP', 'APIC', 'RSDT', 'XSDT']);
    for (const signature of ['SPCR', 'HPET', 'MCFG']) assert.ok(names(FULL).includes(signature));
  });

  it('lists processors, I/O APIC and overrides in the MADT', () => {
    const bytes = find(buildAcpiTables(FULL), 'APIC').bytes;
    const entries: string[] = [];
    for (let at = 44; at < bytes.length; at += bytes[at + 1]!) entries.push(Buffer.from(bytes.subarray(at, at + bytes[at + 1]!)).toString('hex'));
    assert.deepEqual(entries, [
      '0008000001000000',
      '0008010101000000',
      '0008020201000000',
      '0008030301000000',
      '010c00000000c0fe00000000',
      '020a0000020000000000',
      '020a0009090000000f00',
      '0406ff050001',
    ]);
  });

  it('SPCR, MCFG, HPET and FACS say where things are', () => {
    const [spcr, mcfg, hpet, facs] = ['SPCR', 'MCFG', 'HPET', 'FACS'].map((signature) => view(find(buildAcpiTables(FULL), signature)));
    const [{ base, irq } = { base: 0, irq: 0 }] = FULL.serial;
    assert.deepEqual([base, irq], [0x3f8, 4]);
    assert.deepEqual([spcr!.byteLength, spcr!.getUint8(36), spcr!.getUint8(40)], [80, 0, 1], 'a 16550 in ports');
    assert.equal(spcr!.getBigUint64(44, true), BigInt(base));
    assert.deepEqual([spcr!.getUint8(53), spcr!.getUint32(54, true), spcr!.getUint8(58)], [irq, irq, 7], 'interrupts, and 115200 baud');
    assert.equal(spcr!.getUint16(64, true), 0xffff, 'no PCI device');
    assert.equal(mcfg!.byteLength, 60);
    assert.deepEqual([mcfg!.getBigUint64(44, true), mcfg!.getUint16(52, true), mcfg!.getUint8(54), mcfg!.getUint8(55)], [0xe0000000n, 0, 0, 0]);
    assert.deepEqual([hpet!.getUint32(36, true), hpet!.getUint8(40), hpet!.getBigUint64(44, true)], [0x80860701, 0, 0xfed00000n]);
    assert.deepEqual([facs!.byteLength, facs!.getUint32(4, true), facs!.getUint8(32)], [64, 64, 2]);
  });

  it('describes the chips as they are by default', () => {
    const { pm, pci } = DEFAULT_TOPOLOGY;
    const { smiCommand, event, control } = pm;
    assert.deepEqual({ smiCommand, event, control }, ACPI_PORTS);
    assert.deepEqual([pm.acpiEnable, pm.acpiDisable, pm.sleepTypeS5], [ACPI_ENABLE, ACPI_DISABLE, SLEEP_TYPE_S5]);
    for (let i = 0; i < 128; i++) assert.equal(pci.pirqOf(i >> 2, (i & 3) + 1), pirqOf(i >> 2, (i & 3) + 1));
  });

  it('refuses an address that guests do not search', () => {
    assert.throws(() => buildAcpiTables(DEFAULT_TOPOLOGY, 0x80000), { code: 'acpi-address', blame: 'user' });
    assert.throws(() => buildAcpiTables(DEFAULT_TOPOLOGY, 0xffff0), {
      code: 'acpi-too-large',
      blame: 'user',
    });
  });
});

describe('AML names', () => {
  it('are padded and prefixed', () => {
    const hex = (path: string): string => Buffer.from(name(path)).toString('hex');
    assert.equal(hex('\\_S5'), '5c5f53355f');
    assert.equal(hex('PC00.LPC'), '2e504330304c50435f');
    assert.equal(hex('\\_SB.PC00.LPC'), '5c2f035f53425f504330304c50435f');
    assert.throws(() => name('lower'), { blame: 'internal' });
  });
});
