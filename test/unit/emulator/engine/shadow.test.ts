import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Exit } from '../../../../emulator/engine/engine';
import { compileBinaries } from '../../../../emulator/engine/wasm-module';
import { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import * as layout from '../../../../emulator/x86/layout';
import { ACTIVE } from '../../../../emulator/x86/vcpu';

const DIST = join(__dirname, '..', '..', '..', '..', 'dist');
const RAM = 16 << 20;
const ROM = 0xfffe0000;

/** A machine with 128 KB of ROM below 4 GiB, and again below 1 MiB; it starts at its reset vector. */
async function romEngine(code: string, at: number) {
  const file = (name: string) => new Uint8Array(readFileSync(join(DIST, name)));
  const writes: string[] = [];
  const engine = await WasmEngine.create(
    {
      ramBytes: RAM,
      vcpus: 1,
      backings: [
        { name: 'rom', length: 0x20000, writable: false },
        { name: 'low', length: 0x10000, writable: false, of: { name: 'rom', offset: 0x10000 } },
      ],
      host: {
        portRead: () => 0xff,
        portWrite: () => undefined,
        mmioRead: () => 0xffffffff,
        mmioWrite: (address, size, value) => writes.push(`${address.toString(16)} ${size} ${value.toString(16)}`),
        acknowledgeInterrupt: () => -1,
        interruptPending: () => false,
        readApicMsr: () => undefined,
        writeApicMsr: () => false,
        getTaskPriority: () => 0,
        setTaskPriority: () => undefined,
        timestampChanged: () => undefined,
      },
    },
    await compileBinaries(file('helpers.wasm'), file('engine.wasm')),
  );
  const { bytes } = engine.backing('rom');
  bytes.fill(0x90);
  bytes.set(Buffer.from(code.replace(/\s/g, ''), 'hex'), at);
  engine.mapBacking('rom', ROM);
  engine.mapBacking('low', 0xf0000);
  return { engine, writes, bytes };
}

/** jmp 0xf000:0x0100 at the reset vector, for code at 0xF0100. */
const RESET = { at: 0x1fff0, code: 'ea 0001 00f0' };

describe('ROM', () => {
  it('runs from the reset vector and from its copy below 1 MiB, and takes no writes', async () => {
    const { engine, writes, bytes } = await romEngine(RESET.code, RESET.at);
    // mov ax,0xf000; mov ds,ax; mov byte [0x200],0x55; mov al,[0x200]; hlt
    bytes.set(Buffer.from('b800f08ed8c606000255a00002f4', 'hex'), 0x10100);
    engine.shadow(0xf0000, 0x10000, 'hole');
    assert.equal(engine.run(100), Exit.Halt);
    assert.equal(engine.vcpu.gpr(0), 0xf090n);
    // The address is the one that the guest used, not that of the other window.
    assert.deepEqual(writes, ['f0200 1 55']);
  });

  it('is shadowed by RAM', async () => {
    const { engine, writes, bytes } = await romEngine(RESET.code, RESET.at);
    bytes.set(Buffer.from('f4', 'hex'), 0x10100);
    // In RAM: mov ax,0xf000; mov ds,ax; mov byte [0x200],0x55; mov al,[0x200]; hlt
    engine.physicalWrite(0xf0100, Buffer.from('b800f08ed8c606000255a00002f4', 'hex'));
    engine.shadow(0xf0000, 0x10000, 'read-only');
    assert.equal(engine.run(100), Exit.Halt);
    assert.equal(engine.vcpu.gpr(0), 0xf000n);
    assert.deepEqual(writes, ['f0200 1 55']);
    engine.shadow(0xf0000, 0x10000, 'ram');
    engine.vcpu.rip = 0x100n;
    engine.vcpu.setU32(layout.ACTIVITY, ACTIVE);
    assert.equal(engine.run(100), Exit.Halt);
    assert.equal(engine.vcpu.gpr(0), 0xf055n);
    assert.equal(writes.length, 1);
  });

  it('changes by its chip: dirty, and decoded anew', async () => {
    const { engine } = await romEngine(RESET.code, RESET.at);
    engine.shadow(0xf0000, 0x10000, 'hole');
    engine.writeBacking('rom', 0x10100, Buffer.from('b001f4', 'hex'));
    assert.equal(engine.run(100), Exit.Halt);
    assert.equal(engine.vcpu.gpr(0), 1n);
    assert.deepEqual(engine.writtenPages(0, 'list').length, 1);
    engine.writeBacking('rom', 0x10100, Buffer.from('b002f4', 'hex'));
    engine.vcpu.rip = 0x100n;
    engine.vcpu.setU32(layout.ACTIVITY, ACTIVE);
    assert.equal(engine.run(100), Exit.Halt);
    assert.equal(engine.vcpu.gpr(0), 2n);
    assert.throws(() => engine.writeBacking('rom', 0x1ffff, Uint8Array.of(1, 2)), /'rom' has no 2 bytes/);
  });
});
