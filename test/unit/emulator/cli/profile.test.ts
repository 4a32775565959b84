import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatProfile, SymbolTable } from '../../../../emulator/cli/profile';

const symbols = new SymbolTable([
  { name: 'second', address: 0x2000n },
  { name: 'first', address: 0x1000n },
]);

describe('the profile', () => {
  it('finds the function that an address is in', () => {
    assert.deepEqual(
      [0xfffn, 0x1000n, 0x1fffn, 0x2000n, 0x101fffn, 0x102000n].map((address) => symbols.nameOf(address)),
      ['page 0x0', 'first', 'first', 'second', 'second', 'page 0x102000'],
    );
  });

  it('reads System.maps, and refuses other files by name', () => {
    const folder = mkdtempSync(join(tmpdir(), 'guest-symbols-'));
    const map = join(folder, 'System.map');
    writeFileSync(map, 'ffffffff81000000 T _text\nffffffff81000100 d data\nffffffff81000200 t inner\n');
    assert.equal(SymbolTable.read([map]).nameOf(0xffffffff81000180n), '_text');
    assert.equal(SymbolTable.read([map]).nameOf(0xffffffff81000201n), 'inner');
    const other = join(folder, 'other');
    writeFileSync(other, 'hello');
    assert.throws(() => SymbolTable.read([other]), /symbols '.*other': neither an ELF file nor a System.map/);
    assert.throws(() => SymbolTable.read([join(folder, 'none')]), /symbols '.*none'/);
  });

  it('adds up what one function took', () => {
    const text = formatProfile(
      {
        every: 1000,
        samples: { '1004 0': 2, '1ff0 0': 1, '2000 3': 1 },
        statistics: {
          compiledInstructions: 3000,
          tlb: { misses: 10, flushes: 2 },
          regions: { made: 3, modules: 2, bytes: 1500, dropped: 1, milliseconds: 5 },
          exits: { 'port read': 7, cpuid: 12 },
        },
      },
      4000,
      symbols,
    );
    assert.deepEqual(
      text.split('\n').map((line) => line.trim()),
      [
        '4 samples, one every 1,000 instructions',
        '75.0 %  kernel  first',
        '25.0 %  user  second',
        'instructions by tier',
        '75.0 %  compiled code: 3 regions, 0.00 MB in 2 modules, made in 5 ms, 1 dropped',
        '25.0 %  interpreter',
        'TLB: 10 misses, one in 400 instructions; 2 flushes',
        'left generated code for',
        '12  cpuid',
        '7  port read',
        '',
      ],
    );
  });
});
