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

  describe('out of a handler of interrupts', () => {
    const IDT = 0x3000;
    /** Gate 32 leads to inner. */
    function interrupted() {
      const made = scene();
      made.guest.values['idtr.base'] = BigInt(IDT);
      made.guest.values['idtr.limit'] = 0xfffn;
      made.guest.memory.fill(0, IDT, IDT + 0x1000);
      gate(made.guest, 0x1000);
      made.guest.position = 0x20;
      /** What the processor pushes, from the instruction pointer on. */
      const push = (at: number, pc: number, sp = at + 40, cs = 8, flags = 0x246, ss = 0): void =>
        [pc, cs, flags, sp, ss].forEach((value, index) => made.word(at + index * 8, value));
      return { ...made, push };
    }
    const gate = ({ memory }: FakeGuest, address: number): void => {
      const view = new DataView(memory.buffer, IDT + 32 * 16);
      view.setUint16(0, address & 0xffff, true);
      view.setUint16(2, 8, true);
      view.setUint8(5, 0x8e);
      view.setUint16(6, address >>> 16, true);
    };

    it('goes on with who was interrupted and its callers', async () => {
      const { word, push, frames } = interrupted();
      push(0x8018, 0x1234);
      word(0x8050, 0x1415);
      assert.deepEqual(await frames(), ['inner+0x20', 'middle+0x34', 'outer+0x15']);
    });

    it('at its first instruction, behind an error code, and on another stack too', async () => {
      const { guest, word, push, frames } = interrupted();
      guest.position = 0;
      push(0x8008, 0x1234, 0x8800);
      word(0x8800, 0x1415);
      assert.deepEqual(await frames(), ['inner', 'middle+0x34', 'outer+0x15']);
    });

    it('through functions that the handler has called', async () => {
      const { guest, word, push, frames } = interrupted();
      gate(guest, 0x1200);
      word(0x8008, 0x1215);
      push(0x8038, 0x1434);
      assert.deepEqual(await frames(), ['inner+0x20', 'middle+0x15', 'outer+0x34']);
    });

    it('through a stub that jumps to what handlers have in common', async () => {
      const { guest, word, push, frames } = interrupted();
      gate(guest, 0x1400);
      guest.memory.set([0x6a, 0x20, 0xe9], 0x1400); // push 32; jmp middle
      new DataView(guest.memory.buffer).setInt32(0x1403, 0x1200 - 0x1407, true);
      word(0x8008, 0x1215);
      push(0x8038, 0x1434);
      assert.deepEqual(await frames(), ['inner+0x20', 'middle+0x15', 'outer+0x34']);
    });

    it('of a program, whose code has no names', async () => {
      const { push, frames } = interrupted();
      push(0x8018, 0x40_1234, 0x7fff_0000, 0x33, 0x202, 0x2b);
      assert.deepEqual(await frames(), ['inner+0x20', 'undefined']);
    });

    it('takes nothing else for it', async () => {
      const others: readonly (readonly [about: string, ...Parameters<ReturnType<typeof interrupted>['push']>])[] = [
        ['flags without bit 1', 0x8018, 0x1234, 0x8040, 8, 0x244],
        ['flags with a bit that is never set', 0x8018, 0x1234, 0x8040, 8, 0x24a],
        ['another code segment', 0x8018, 0x1234, 0x8040, 0x18],
        ['no code', 0x8018, 0x800],
        ['a stack that was not aligned', 0x8010, 0x1234],
        ['an address that is none', 0x8018, 0x1234, 2 ** 60],
      ];
      for (const [about, ...rest] of others) {
        const { push, frames } = interrupted();
        push(...rest);
        assert.deepEqual(await frames(), ['inner+0x20'], about);
      }
      const { guest, push, frames } = interrupted();
      gate(guest, 0x1400);
      push(0x8018, 0x1234);
      assert.deepEqual(await frames(), ['inner+0x20'], 'what an earlier interrupt has left on the stack of a function that is no handler');
    });

    it('ends where frames of interrupts lead to each other', async () => {
      const { push, frames } = interrupted();
      push(0x8018, 0x1010, 0x8018 - 8);
      assert.ok((await frames()).length < 30);
    });
  });

  it('goes back to the stack that a function was on before it changed it for a call', async () => {
    const { guest, word, frames } = scene();
    guest.position = 0x20;
    guest.memory[0x1215] = 0x5c; // pop rsp
    word(0x8010, 0x1215);
    word(0x8018, 0x8800);
    word(0x8808, 0x1415);
    assert.deepEqual(await frames(), ['inner+0x20', 'middle+0x15', 'outer+0x15']);
  });
});
