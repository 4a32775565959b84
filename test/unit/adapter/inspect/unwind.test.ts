import { strict as assert } from 'node:assert';
import { Unwinder } from '../../../../adapter/inspect/unwind';
import { MachineView } from '../../../../adapter/inspect/view';
import { SymbolStore } from '../../../../adapter/symbols/store';
import { FakeGuest } from '../fakeguest';

/** inner at 0x1000, middle at 0x1200, outer at 0x1400; each calls the one before. */
function scene(): { guest: FakeGuest; frames(): Promise<string[]>; word(at: number, value: number): void } {
  const guest = new FakeGuest();
  const symbols = new SymbolStore();
  symbols.add('/x/System.map', Buffer.from('0000000000001000 T inner\n0000000000001200 T middle\n0000000000001400 T outer\n'), 0n);
  const call = (at: number, target: number): void => {
    guest.memory[at] = 0xe8;
    new DataView(guest.memory.buffer).setInt32(at + 1, target - at - 5, true);
  };
  call(0x1210, 0x1000);
  call(0x1410, 0x1200);
  const word = (at: number, value: number): void => new DataView(guest.memory.buffer).setBigUint64(at, BigInt(value), true);
  for (let at = 0x7000; at < 0x9000; at += 8) word(at, 0);
  return {
    guest,
    word,
    frames: async () => (await new Unwinder(new MachineView(guest), symbols).frames(0)).map(({ pc, guessed }) => `${symbols.label(pc)}${guessed ? ' ?' : ''}`),
  };
}

describe('unwinding', () => {
  it('finds the caller at the first instruction, where no frame stands yet', async () => {
    const { word, frames } = scene();
    word(0x8000, 0x1215);
    assert.deepEqual(await frames(), ['inner', 'middle+0x15']);
  });

  it('finds it behind a pushed frame pointer and before a return', async () => {
    const { guest, word, frames } = scene();
    guest.memory[0x1000] = 0x55;
    guest.position = 1;
    word(0x8008, 0x1215);
    assert.deepEqual(await frames(), ['inner+0x1', 'middle+0x15']);
    guest.position = 0x40;
    guest.memory[0x1040] = 0xc3;
    word(0x8000, 0x1215);
    word(0x8008, 0);
    assert.deepEqual(await frames(), ['inner+0x40', 'middle+0x15']);
  });

  it('follows direct calls in code without frame pointers, and passes over stale addresses', async () => {
    const { guest, word, frames } = scene();
    guest.position = 0x20;
    word(0x8010, 0x1415);
    word(0x8018, 0x1215);
    word(0x8040, 0x1415);
    assert.deepEqual(await frames(), ['inner+0x20', 'middle+0x15', 'outer+0x15']);
  });

  it('marks what is found by its looks alone', async () => {
    const { guest, word, frames } = scene();
    guest.position = 0x20;
    word(0x8020, 0x1415);
    assert.deepEqual(await frames(), ['inner+0x20', 'outer+0x15 ?']);
  });

  it('ends at a frame pointer that points to itself or out of memory', async () => {
    const { guest, word, frames } = scene();
    guest.position = 0x20;
    guest.values['rbp'] = 0x8010n;
    word(0x8010, 0x8010);
    word(0x8018, 0x1215);
    assert.deepEqual(await frames(), ['inner+0x20', 'middle+0x15']);
    guest.values['rbp'] = 0xffff_ffff_ffff_fff0n;
    word(0x8018, 0);
    assert.deepEqual(await frames(), ['inner+0x20']);
  });
});
