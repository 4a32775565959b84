import assert from 'node:assert/strict';
import { smbios } from '../../../../emulator/firmware/smbios';

/** Structures by type, walked as a guest walks them. */
function walk(tables: Uint8Array): { type: number; handle: number; body: DataView; strings: string[]; length: number }[] {
  const found = [];
  for (let at = 0; at < tables.length;) {
    const [type, size] = [tables[at]!, tables[at + 1]!];
    const body = new DataView(tables.buffer, tables.byteOffset + at, size);
    let end = at + size;
    const strings: string[] = [];
    while (tables[end] !== 0) {
      const stop = tables.indexOf(0, end);
      strings.push(String.fromCharCode(...tables.subarray(end, stop)));
      end = stop + 1;
    }
    end += strings.length === 0 ? 2 : 1;
    found.push({ type, handle: body.getUint16(2, true), body, strings, length: end - at });
    at = end;
  }
  return found;
}

describe('SMBIOS', () => {
  const { anchor, tables } = smbios({ cpus: 3, memory: 768 << 20 });
  const structures = walk(tables);
  const sum = (bytes: Uint8Array): number => bytes.reduce((total, byte) => total + byte, 0) & 0xff;

  it('has an entry point that fits its tables', () => {
    const view = new DataView(anchor.buffer);
    assert.equal(String.fromCharCode(...anchor.subarray(0, 4)), '_SM_');
    assert.equal(anchor[5], anchor.length);
    assert.deepEqual([sum(anchor), sum(anchor.subarray(16))], [0, 0]);
    assert.equal(view.getUint16(22, true), tables.length);
    assert.equal(view.getUint16(28, true), structures.length);
    assert.equal(view.getUint16(8, true), Math.max(...structures.map(({ length }) => length)));
  });

  it('describes system, processors and memory, with handles of their own, and ends', () => {
    assert.deepEqual(
      structures.map(({ type }) => type),
      [1, 3, 4, 4, 4, 16, 17, 19, 127],
    );
    assert.equal(new Set(structures.map(({ handle }) => handle)).size, structures.length);
    // Lengths of the formatted areas as the specification has them for this version.
    assert.deepEqual(
      structures.map(({ body }) => body.byteLength),
      [27, 22, 42, 42, 42, 23, 40, 31, 4],
    );
    assert.deepEqual(structures[0]!.strings, ['Guest Debugger', 'x86-64 PC']);
    assert.equal(structures[5]!.body.getUint32(7, true), 768 * 1024);
    assert.equal(structures[6]!.body.getUint16(12, true), 768);
    assert.equal(structures[7]!.body.getUint32(8, true), 768 * 1024 - 1);
  });
});
