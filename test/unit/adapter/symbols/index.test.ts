import assert from 'node:assert/strict';
import { SymbolIndex } from '../../../../adapter/symbols/index';
import { SourcePaths } from '../../../../adapter/symbols/paths';
import { parseSystemMap } from '../../../../adapter/symbols/systemmap';
import { isSystemMap } from '../../../../emulator/firmware/systemmap';
import { EmulatorError } from '../../../../emulator/errors';

const MAP = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _text
ffffffff81000000 T startup_64
ffffffff81000060 t verify_cpu
ffffffff82000000 D init_task
`;

describe('symbols', () => {
  it('reads a System.map with a slide', () => {
    const bytes = Buffer.from(MAP);
    assert.equal(isSystemMap(bytes), true);
    assert.equal(isSystemMap(Buffer.from('\x7fELF')), false);
    const index = new SymbolIndex();
    index.add(parseSystemMap('System.map', bytes, 0x200000n));
    assert.equal(index.find('fixed_percpu_data').length, 0);
    assert.equal(index.find('verify_cpu')[0]?.address, 0xffffffff81200060n);
    assert.equal(index.label(0xffffffff81200064n), 'verify_cpu+0x4');
    assert.equal(index.label(0xffffffff81200060n), 'verify_cpu');
    assert.equal(index.label(0xffffffff811fffffn), undefined);
    assert.equal(index.label(0n), undefined);
    assert.deepEqual(
      index.complete('start').map(({ name }) => name),
      ['startup_64'],
    );
  });

  it('names the bad line of a System.map', () => {
    assert.throws(
      () => parseSystemMap('System.map', Buffer.from('ffffffff81000000 T a\nnonsense\n'), 0n),
      (error) => error instanceof EmulatorError && error.blame === 'user' && error.message.includes('line 2'),
    );
  });

  it('prefers the function whose size covers the address over a label within it', () => {
    const index = new SymbolIndex();
    const symbol = (name: string, address: bigint, size: bigint) => ({ name, address, size, kind: 'function' as const, module: 'm' });
    index.add([symbol('outer', 0x1000n, 0x100n), symbol('late', 0x2000n, 0x10n)]);
    assert.equal(index.label(0x10ffn), 'outer+0xff');
    assert.equal(index.label(0x1100n), undefined);
    assert.equal(index.end(index.find('late')[0]!), 0x2010n);
  });

  it('finds sources by the map, else by the longest common tail', () => {
    const paths = new SourcePaths([['/build/linux', '/home/me/linux']]);
    assert.equal(paths.local('/build/linux/kernel/fork.c'), '/home/me/linux/kernel/fork.c');
    const compiled = ['/build/linux/kernel/fork.c', '/other/kernel/fork.c', '/other/mm/fork.c'];
    assert.deepEqual(paths.compiled('/home/me/linux/kernel/fork.c', compiled), [compiled[0]]);
    assert.deepEqual(paths.compiled('/x/mm/fork.c', compiled), [compiled[2]]);
    assert.deepEqual(paths.compiled('/x/mm/exec.c', compiled), []);
  });
});
