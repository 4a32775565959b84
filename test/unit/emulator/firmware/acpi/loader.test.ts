import assert from 'node:assert/strict';
import { LOADER_FILES, loaderFiles, type LoaderFiles } from '../../../../../emulator/firmware/acpi/loader';
import { DEFAULT_TOPOLOGY } from '../../../../../emulator/firmware/acpi/topology';

const TOPOLOGY = { ...DEFAULT_TOPOLOGY, hpet: { address: 0xfed00000, id: 0x80868201 }, pci: { ...DEFAULT_TOPOLOGY.pci, ecam: 0xe0000000, express: true } };
const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes).replace(/\0.*$/s, '');

/** What firmware does: puts the files to addresses and carries the commands out. */
function load({ tables, rsdp, script }: LoaderFiles, at: { tables: number; rsdp: number }) {
  const files: Record<string, { address: number; bytes: Uint8Array }> = {
    [LOADER_FILES.tables]: { address: at.tables, bytes: Uint8Array.from(tables) },
    [LOADER_FILES.rsdp]: { address: at.rsdp, bytes: Uint8Array.from(rsdp) },
  };
  const allocated: string[] = [];
  for (let at = 0; at < script.length; at += 128) {
    const entry = script.subarray(at, at + 128);
    const view = new DataView(entry.buffer, entry.byteOffset);
    const file = files[text(entry.subarray(4, 60))]!;
    switch (view.getUint32(0, true)) {
      case 1:
        allocated.push(`${text(entry.subarray(4, 60))} ${view.getUint32(60, true)} ${entry[64]}`);
        break;
      case 2: {
        const source = files[text(entry.subarray(60, 116))]!;
        const [offset, size] = [view.getUint32(116, true), entry[120]!];
        const place = new DataView(file.bytes.buffer, file.bytes.byteOffset);
        if (size === 4) place.setUint32(offset, place.getUint32(offset, true) + source.address, true);
        else place.setBigUint64(offset, place.getBigUint64(offset, true) + BigInt(source.address), true);
        break;
      }
      case 3: {
        const [result, start, length] = [view.getUint32(60, true), view.getUint32(64, true), view.getUint32(68, true)];
        assert.equal(file.bytes[result], 0, 'a checksum is made once');
        file.bytes[result] = -file.bytes.subarray(start, start + length).reduce((sum, byte) => sum + byte, 0) & 0xff;
      }
    }
  }
  const memory = (address: number, length: number): Uint8Array => {
    const found = Object.values(files).find((file) => address >= file.address && address + length <= file.address + file.bytes.length);
    assert.ok(found, address.toString(16));
    return found.bytes.subarray(address - found.address, address - found.address + length);
  };
  const table = (address: number): { signature: string; bytes: Uint8Array; view: DataView } => {
    const header = memory(address, 8);
    const bytes = memory(address, new DataView(header.buffer, header.byteOffset).getUint32(4, true));
    return { signature: text(bytes.subarray(0, 4)), bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
  };
  return { allocated, memory, table };
}

const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;

describe('ACPI tables through the table loader', () => {
  it('become a tree of tables with right checksums, wherever they are put', () => {
    const { allocated, memory, table } = load(loaderFiles(TOPOLOGY), { tables: 0x1fb00000, rsdp: 0xf5300 });
    assert.deepEqual(allocated, ['etc/acpi/tables 64 1', 'etc/acpi/rsdp 16 2']);
    const root = memory(0xf5300, 36);
    assert.equal(text(root.subarray(0, 8)), 'RSD PTR ');
    assert.deepEqual([sum(root.subarray(0, 20)), sum(root)], [0, 0]);
    const view = new DataView(root.buffer, root.byteOffset);
    const [rsdt, xsdt] = [table(view.getUint32(16, true)), table(Number(view.getBigUint64(24, true)))];
    assert.deepEqual([rsdt.signature, xsdt.signature], ['RSDT', 'XSDT']);
    const entries = Array.from({ length: (xsdt.bytes.length - 36) / 8 }, (_, i) => Number(xsdt.view.getBigUint64(36 + 8 * i, true)));
    assert.deepEqual(
      entries,
      Array.from({ length: (rsdt.bytes.length - 36) / 4 }, (_, i) => rsdt.view.getUint32(36 + 4 * i, true)),
    );
    const found = entries.map(table);
    assert.deepEqual(
      found.map(({ signature }) => signature),
      ['FACP', 'APIC', 'SPCR', 'HPET', 'MCFG'],
    );
    const [fadt] = found;
    const dsdt = table(fadt!.view.getUint32(40, true));
    assert.equal(dsdt.signature, 'DSDT');
    assert.equal(Number(fadt!.view.getBigUint64(140, true)), fadt!.view.getUint32(40, true));
    const facs = fadt!.view.getUint32(36, true);
    assert.equal(text(memory(facs, 4)), 'FACS');
    assert.equal(facs % 64, 0);
    for (const { signature, bytes } of [rsdt, xsdt, dsdt, ...found]) assert.equal(sum(bytes), 0, signature);
  });

  it('keep their size while chips move', () => {
    const sizes = ({ tables, rsdp, script }: LoaderFiles) => [tables.length, rsdp.length, script.length];
    const moved = {
      ...TOPOLOGY,
      pm: { ...TOPOLOGY.pm, event: 0xb000, control: 0xb004, timer: 0xb008 },
      pci: { ...TOPOLOGY.pci, moreMem32: [[0xf0000000, 0xfebfffff]] as const },
    };
    assert.deepEqual(sizes(loaderFiles(moved)), sizes(loaderFiles(TOPOLOGY)));
  });
});
