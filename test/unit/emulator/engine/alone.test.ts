/** Instructions that have to be run alone, for what they write or read: where slices end makes no difference. */
import assert from 'node:assert/strict';
import { Exit } from '../../../../emulator/engine/engine';
import type { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../emulator/x86/layout';
import { bareEngine, CODE } from './bare';

const [RAX, RCX, RDX, RBX, RDI] = [0, 1, 2, 3, 7] as const;
const OTHER = CODE + 0x1000;
const TABLE = 0x4000;
const MAPPED = 0x2000000;

const put = (engine: WasmEngine, address: number, hex: string): void => engine.physicalWrite(address, Buffer.from(hex.replace(/\s/g, ''), 'hex'));

function write64(engine: WasmEngine, address: number, value: bigint): void {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  engine.physicalWrite(address, bytes);
}

/** Registers and a stretch of memory. */
function stateOf(engine: WasmEngine, from: number, length: number): string {
  const bytes = new Uint8Array(length);
  engine.physicalRead(from, bytes);
  const registers = Array.from({ length: 16 }, (_, number) => engine.vcpu.gpr(number).toString(16));
  return [engine.count(), engine.vcpu.rip.toString(16), ...registers, Buffer.from(bytes).toString('hex')].join(' ');
}

/** Runs the same in slices of one instruction, of seven, and in one go up to several places. */
async function sameInSlices(make: () => Promise<WasmEngine>, ends: readonly number[], from: number, length: number): Promise<void> {
  for (const end of ends) {
    const states: string[] = [];
    for (const slice of [1, 7, end]) {
      const engine = await make();
      while (engine.count() < end && engine.run(Math.min(slice, end - engine.count())) === Exit.Budget);
      states.push(stateOf(engine, from, length));
    }
    assert.equal(states[1], states[0], `${end} instructions, slices of 7`);
    assert.equal(states[2], states[0], `${end} instructions at once`);
  }
}

describe('Instructions that are run alone', () => {
  // L: call OTHER; mov rdi, rbx; mov ecx, 200; rep stosb; call OTHER; jmp $
  const overwrite = 'e8 fb 0f 00 00  48 89 df  b9 c8 00 00 00  f3 aa  e8 ec 0f 00 00  eb fe';

  it('write over code of another page', async () => {
    const make = async (): Promise<WasmEngine> => {
      const engine = await bareEngine(overwrite);
      put(engine, OTHER, '48 ff c2  eb 7b'); // inc rdx; jmp to OTHER + 128
      put(engine, OTHER + 128, '48 ff c2  c3');
      engine.vcpu.setGpr(RAX, 0xc3n);
      engine.vcpu.setGpr(RDX, 0n);
      engine.vcpu.setGpr(RBX, BigInt(OTHER - 8));
      return engine;
    };
    await sameInSlices(make, [5, 7, 8, 9, 16, 17, 18, 60, 136, 140, 150, 207, 208, 300], OTHER - 16, 256);
    const engine = await make();
    engine.run(300);
    assert.equal(engine.vcpu.gpr(RDX), 2n, 'what was there ran once');
  });

  it('write over themselves', async () => {
    const make = async (): Promise<WasmEngine> => {
      const engine = await bareEngine('f3 aa  90 90 90 90 90 90  eb fe');
      engine.vcpu.setGpr(RAX, 0x90n);
      engine.vcpu.setGpr(RCX, 12n);
      engine.vcpu.setGpr(RDI, BigInt(CODE - 4));
      return engine;
    };
    await sameInSlices(make, [3, 4, 5, 6, 7, 8, 12, 30], CODE - 16, 64);
  });

  it('clear a page table that is in use', async () => {
    // mov rax, [MAPPED + 0x1000 * 3]; xor eax, eax; mov ecx, 512; rep stosq; mov rax, [MAPPED + 0x3000]
    const code = '48 8b 03  31 c0  b9 00 02 00 00  f3 48 ab  48 8b 03  eb fe';
    const make = async (): Promise<WasmEngine> => {
      const engine = await bareEngine(code);
      write64(engine, 0x3000 + (MAPPED >> 21) * 8, BigInt(TABLE) | 7n);
      for (let page = 0; page < 8; page++) write64(engine, TABLE + page * 8, BigInt(0x200000 + page * 0x1000) | (page % 2 ? 0x67n : 7n));
      engine.vcpu.setGpr(RBX, BigInt(MAPPED + 0x3000));
      engine.vcpu.setGpr(RDI, BigInt(TABLE));
      return engine;
    };
    await sameInSlices(make, [3, 4, 5, 6, 7, 8, 12, 200, 514, 515], TABLE, 128);
    const engine = await make();
    assert.equal(engine.run(600), Exit.Shutdown, 'nothing is mapped there, and no IDT');
  });

  it('are followed by the interrupt that a read of a device asks for', async () => {
    let pending = false;
    const engine = await bareEngine('90 8b 03 90 90 eb fe', {
      mmioRead: () => {
        pending = true;
        return 0;
      },
      interruptPending: () => pending,
      acknowledgeInterrupt: () => (pending ? 0x40 : -1),
    });
    write64(engine, 0x3000 + (MAPPED >> 21) * 8, 0xfe000087n);
    engine.vcpu.setGpr(RBX, BigInt(MAPPED));
    engine.vcpu.setU64(layout.EFLAGS, 0x202n);
    assert.equal(engine.run(100), Exit.Shutdown, 'there is no IDT');
    assert.equal(engine.count(), 2);
  });
});
