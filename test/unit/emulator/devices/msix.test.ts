import assert from 'node:assert/strict';
import { fields, group, initial } from '../../../../emulator/bus/fields';
import { MsixCapability, msixFields } from '../../../../emulator/devices/msix';
import { PciFunction, pciHeader } from '../../../../emulator/devices/pcifunction';

function make() {
  const sent: [number, number][] = [];
  const state = initial(fields({ config: group('Configuration', pciHeader), msix: group('MSI-X', msixFields(3)) }));
  const msix = new MsixCapability(
    { vectors: 3, bar: 4, tableOffset: 0x800, pendingOffset: 0x1000, send: (address, data) => sent.push([address, data]) },
    () => state.msix,
  );
  const pci = new PciFunction(
    { vendor: 1, device: 2, classCode: 0, bars: { 4: { kind: 'mem64', size: 0x2000, handler: msix.window } }, capabilities: [msix] },
    () => state.config,
  );
  const enable = (control: number): void => pci.write(0x40, control << 16, 0xffff0000);
  const message = (vector: number, address: number, data: number, mask = 0): void => {
    const at = 0x800 + vector * 16;
    [address % 2 ** 32, Math.floor(address / 2 ** 32), data, mask].forEach((value, i) => msix.mmioWrite(at + 4 * i, 4, value));
  };
  return { sent, state, msix, pci, enable, message };
}

describe('MSI-X', () => {
  it('says how many vectors there are and where table and pending bits lie', () => {
    const { pci } = make();
    assert.equal(pci.read(0x34), 0x40);
    assert.deepEqual([pci.read(0x40), pci.read(0x44), pci.read(0x48)], [0x00020011, 0x804, 0x1004]);
  });

  it('sends messages, above 4 GiB too, once it is enabled and they are unmasked', () => {
    const { sent, msix, enable, message } = make();
    message(1, 0x1_fee01000, 0x4041);
    msix.signal(1);
    assert.deepEqual(sent, [], 'not enabled');
    enable(0x8000);
    msix.signal(1);
    assert.deepEqual(sent, [[0x1_fee01000, 0x4041]]);
    assert.equal(msix.mmioRead(0x814, 4), 1);
    assert.equal(msix.mmioRead(0x818, 2), 0x4041);
  });

  it('holds back what is masked, by vector or all, and sends it once when that ends', () => {
    const { sent, msix, enable, message, pci } = make();
    message(0, 0xfee00000, 0x30, 1);
    message(2, 0xfee00000, 0x32);
    enable(0xc000);
    for (const vector of [0, 2, 2]) msix.signal(vector);
    assert.deepEqual(sent, []);
    assert.equal(msix.mmioRead(0x1000, 4), 0b101);
    enable(0x8000);
    assert.deepEqual(sent, [[0xfee00000, 0x32]]);
    msix.mmioWrite(0x80c, 4, 0);
    assert.deepEqual(sent.at(-1), [0xfee00000, 0x30]);
    assert.equal(msix.mmioRead(0x1000, 4), 0);
    assert.equal(pci.read(0x40) >>> 16, 0x8002);
  });

  it('bears accesses of every kind at every place', () => {
    const { msix } = make();
    for (let offset = 0; offset < 0x2000; offset++)
      for (const size of [1, 2, 4] as const) {
        assert.ok(msix.mmioRead(offset, size) >= 0);
        msix.mmioWrite(offset, size, 0xffffffff);
      }
    assert.equal(msix.mmioRead(0x1000, 4), 0, 'pending bits are read-only');
    msix.signal(3);
    msix.signal(-1);
  });
});
