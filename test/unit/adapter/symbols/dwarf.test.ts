import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SymbolStore } from '../../../../adapter/symbols/store';
import { readLines } from '../../../../adapter/symbols/dwarf/line';

const fixture = (name: string): Uint8Array => readFileSync(join(__dirname, '../fixtures', name));
const source = fixture('lines.c').toString().split('\n');
const lineOf = (text: string): number => source.findIndex((line) => line.includes(text)) + 1;

describe('DWARF line tables', () => {
  for (const version of [2, 3, 4, 5]) {
    it(`version ${version}: lines to addresses and back`, () => {
      const store = new SymbolStore([['/src', '/home/me/project']]);
      const module = store.add(`lines-dwarf${version}.elf`, fixture(`lines-dwarf${version}.elf`), 0n);
      assert.deepEqual(module.problems, []);
      assert.deepEqual(store.sources(), ['/home/me/project/lines.c']);

      const wanted = lineOf('int sum = a + b');
      const found = store.addressesOf('/home/me/project/lines.c', wanted);
      assert.equal(found?.line, wanted);
      assert.equal(found.addresses.length, 1);
      const back = store.source(found.addresses[0]!);
      assert.equal(back?.path, '/home/me/project/lines.c');
      assert.equal(back.line, wanted);
      assert.equal(store.index.nearest(found.addresses[0]!)?.symbol.name, 'add');
      assert.equal(store.functionEntry(store.index.find('add')[0]!), found.addresses[0]);
    });
  }

  it('moves a line without code to the next that has some', () => {
    const store = new SymbolStore();
    store.add('lines.elf', fixture('lines-dwarf5.elf'), 0n);
    assert.equal(store.addressesOf('/elsewhere/lines.c', lineOf('static volatile'))?.line, lineOf('int add') + 1);
    assert.equal(store.addressesOf('/src/lines.c', 1000), undefined);
    assert.equal(store.addressesOf('/src/other.c', 1), undefined);
  });

  it('applies the load offset to symbols and lines', () => {
    const store = new SymbolStore();
    store.add('lines.elf', fixture('lines-dwarf4.elf'), 0x1000_0000n);
    const add = store.index.find('add')[0]!;
    assert.equal(add.address, 0x1010_0000n);
    assert.equal(store.source(add.address)?.line, lineOf('int add') + 1);
  });

  it('survives damaged tables', () => {
    const bytes = fixture('lines-dwarf5.elf');
    for (let at = 0x1000; at < bytes.length; at += 7) {
      const broken = Uint8Array.from(bytes);
      broken[at] = broken[at]! ^ 0xff;
      try {
        new SymbolStore().add('broken.elf', broken, 0n);
      } catch (error) {
        assert.equal((error as { blame?: string }).blame, 'user', String(error));
      }
    }
    const empty = new Uint8Array(0);
    const problems = readLines(
      { line: Uint8Array.of(0xff, 0xff, 0, 0, 5), lineStrings: empty, strings: empty, info: empty, abbreviations: empty, stringOffsets: empty },
      { file: () => 0, row: () => undefined },
    );
    assert.equal(problems.length, 1);
  });
});
