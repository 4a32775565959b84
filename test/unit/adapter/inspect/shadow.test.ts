/** The call stack of a real program, held against the calls and returns that it made, instruction by instruction. */
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeOne } from '../../../../adapter/disassembly/decode';
import { Unwinder } from '../../../../adapter/inspect/unwind';
import { MachineView } from '../../../../adapter/inspect/view';
import { SymbolStore } from '../../../../adapter/symbols/store';
import { openGuest } from '../../../../emulator/machine/open';
import { moved } from '../../../motion';

const KERNEL = join(__dirname, '../../../../samples/hello/hello.elf');
/** Where its main loop reports and computes: calls of all depths, and the timer's interrupts between them. */
const STARTS = [5_000_000, 8_000_000];
const COUNT = 600;

describe('the call stack of a real program', function () {
  this.timeout(300_000);

  it('is what was called and has not returned, at every instruction', async () => {
    const guest = await openGuest({
      kernel: KERNEL, memory: 16 << 20, cpus: 1, startTime: 0, framebuffer: { width: 640, height: 480 }, historyBytes: 0, checkpointEvery: 1_000_000, debugExitPort: false,
    }); // prettier-ignore
    const symbols = new SymbolStore();
    symbols.add(KERNEL, readFileSync(KERNEL), 0n);
    const view = new MachineView(guest);
    const unwinder = new Unwinder(view, symbols);
    const depths = new Set<number>();
    const named = (list: readonly bigint[]): string => list.map((each) => symbols.label(each)).join(' < ');
    const stack = async (): Promise<readonly [pc: bigint, ...callers: bigint[]]> => {
      view.invalidate(true);
      return (await unwinder.frames(0)).map(({ pc }) => pc) as [bigint, ...bigint[]];
    };
    let interruptions = 0;
    /** One instruction of the program. An interrupt may come before it: its handler is seen with who was interrupted, all the way. */
    const step = async (before: readonly bigint[]): Promise<readonly [bigint, ...bigint[]]> => {
      for (;;) {
        await moved(guest, () => guest.step('in', 0));
        const [pc, ...callers] = await stack();
        if (!named([pc]).startsWith('timer_interrupt')) return [pc, ...callers];
        interruptions++;
        assert.equal(named(callers), named(before), `interrupted by ${named([pc])}`);
      }
    };
    for (const position of STARTS) {
      await moved(guest, () => guest.resume({ position, unattended: true }));
      let [pc, ...callers] = await stack();
      assert.ok(!named([pc]).startsWith('timer_interrupt'));
      let expected = callers;
      for (let number = 0; number < COUNT; number++) {
        assert.equal(named(callers), named(expected), `callers of ${named([pc])}`);
        assert.equal(named(callers.slice(-1)), 'start64+0x14');
        depths.add(callers.length);
        const { flow, bytes } = decodeOne(await guest.readMemory(0, 'linear', pc, 15), pc, 64)!;
        const before = pc;
        [pc, ...callers] = await step([pc, ...callers]);
        // An interrupt came before the instruction.
        if (pc === before) continue;
        if (flow === 'call') expected = [before + BigInt(bytes.length), ...expected];
        if (flow === 'return') expected = expected.slice(1);
      }
    }
    assert.ok(depths.size >= 3, [...depths].join());
    assert.ok(interruptions > 10, `${interruptions} instructions of handlers`);
    await guest.close();
  });
});
