/** The call stack of Linux, which has no frame pointers, out of handlers of interrupts and exceptions. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Unwinder } from '../../adapter/inspect/unwind';
import { MachineView } from '../../adapter/inspect/view';
import { SymbolStore } from '../../adapter/symbols/store';
import type { Guest, Stop } from '../../emulator/machine/api';
import { openGuest } from '../../emulator/machine/open';

const folder = join(__dirname, '../../.cache/guests/linux-cloud');
/** In the midst of the boot, and just before the first program of a user's. */
const [BOOTS, BEFORE_USER, END] = [500_000_000, 1_490_000_000, 2_000_000_000];
const TIMES = 4;

describe('the call stack of Linux', function () {
  this.timeout(600_000);
  let guest: Guest;
  let view: MachineView;
  let unwinder: Unwinder;
  const symbols = new SymbolStore();

  before(async function () {
    if (!existsSync(join(folder, 'vmlinuz'))) {
      console.log("      skipped: no guest; 'npm run guests' fetches it");
      this.skip();
    }
    symbols.add('System.map', readFileSync(join(folder, 'System.map')), 0n);
    guest = await openGuest({
      kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.gz'), append: 'console=ttyS0 nokaslr', memory: 256 << 20, cpus: 1,
      startTime: Date.UTC(2025, 0, 1), framebuffer: false, historyBytes: 0, checkpointEvery: 10_000_000, debugExitPort: false,
    }); // prettier-ignore
    view = new MachineView(guest);
    unwinder = new Unwinder(view, symbols);
  });
  after(() => guest?.close());

  function runTo(position: number): Promise<Stop> {
    return new Promise((resolve, reject) => {
      const off = guest.on((event) => {
        if (event.event !== 'stopped') return;
        off();
        resolve(event.stop);
      });
      guest.resume({ position, unattended: true }).catch(reject);
    });
  }
  async function runToSymbol(name: string): Promise<void> {
    await guest.setTriggers([{ kind: 'execute', id: 1, address: symbols.index.find(name)[0]!.address }]);
    assert.equal((await runTo(END)).reason.kind, 'breakpoint', name);
    view.invalidate(true);
  }
  const stack = async (): Promise<string[]> => (await unwinder.frames(0)).map(({ pc }) => symbols.label(pc) ?? `0x${pc.toString(16)}`);
  /** What the processor has pushed at the entry of a handler, behind `skipped` bytes. */
  async function pushed(skipped: bigint): Promise<{ pc: string; user: boolean }> {
    const { sp } = await view.cpu(0);
    const [pc, cs] = [(await view.number(0, 'linear', sp + skipped, 8))!, (await view.number(0, 'linear', sp + skipped + 8n, 8))!];
    return { pc: symbols.label(pc) ?? `0x${pc.toString(16)}`, user: (cs & 3n) === 3n };
  }
  const plain = (label: string | undefined): string => label?.replace(/\+0x.*/, '') ?? '';

  it('goes on with who was interrupted, from the stack of interrupts to that of the task', async () => {
    await runTo(BOOTS);
    for (let time = 0; time < TIMES; time++) {
      await runToSymbol('asm_sysvec_apic_timer_interrupt');
      const { pc } = await pushed(0n);
      const [entry, ...before] = await stack();
      assert.equal(entry, 'asm_sysvec_apic_timer_interrupt');
      assert.equal(before[0], pc);
      assert.equal(plain(before.at(-1)), 'ret_from_fork', before.join(' < '));
      await runToSymbol('hrtimer_interrupt');
      const deep = await stack();
      const handler = deep.findIndex((label) => plain(label) === 'asm_sysvec_apic_timer_interrupt');
      assert.equal(deep.slice(0, handler).map(plain).join(' < '), 'hrtimer_interrupt < __sysvec_apic_timer_interrupt < sysvec_apic_timer_interrupt');
      assert.deepEqual(deep.slice(handler + 1), before);
    }
  });

  it('goes through an exception, of the kernel and of a program', async () => {
    await runTo(BEFORE_USER);
    const users = new Set<boolean>();
    while (users.size < 2) {
      await runToSymbol('asm_exc_page_fault');
      const { pc, user } = await pushed(8n); // behind the error code
      await runToSymbol('do_user_addr_fault');
      const deep = await stack();
      assert.deepEqual(deep.slice(0, 3).map(plain), ['do_user_addr_fault', 'exc_page_fault', 'asm_exc_page_fault']);
      assert.equal(deep[3], pc);
      if (!user) assert.equal(plain(deep.at(-1)), 'ret_from_fork', deep.join(' < '));
      users.add(user);
    }
  });
});
