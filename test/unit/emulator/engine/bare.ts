/** An engine without devices in 64-bit mode, the first 32 MiB mapped one to one; code runs at CODE with its stack below STACK. */
import type { EngineHost } from '../../../../emulator/engine/engine';
import type { Tier } from '../../../../emulator/engine/engine';
import { WasmEngine } from '../../../../emulator/engine/wasm-engine';
import { readBinaries } from '../../../../emulator/machine/node';
import * as layout from '../../../../emulator/x86/layout';

export const CODE = 0x10000;
export const STACK = 0x80000;
export const DATA = 0x100000;
const RAM = 32 << 20;

export async function bareEngine(hexCode: string, host: Partial<EngineHost> = {}, tier: Tier = 'auto'): Promise<WasmEngine> {
  const nothing: EngineHost = {
    portRead: () => 0xffffffff,
    portWrite: () => undefined,
    mmioRead: () => 0xffffffff,
    mmioWrite: () => undefined,
    acknowledgeInterrupt: () => -1,
    interruptPending: () => false,
    readApicMsr: () => undefined,
    writeApicMsr: () => false,
    getTaskPriority: () => 0,
    setTaskPriority: () => undefined,
    timestampChanged: () => undefined,
  };
  const engine = await WasmEngine.create({ ramBytes: RAM, vcpus: 1, backings: [], host: { ...nothing, ...host }, tier }, await readBinaries());
  const view = new DataView(engine.ram.buffer, engine.ram.byteOffset);
  view.setBigUint64(0x1000, 0x2007n, true);
  view.setBigUint64(0x2000, 0x3007n, true);
  for (let i = 0; i < RAM >> 21; i++) view.setBigUint64(0x3000 + i * 8, BigInt(i << 21) | 0x87n, true);
  const { vcpu } = engine;
  vcpu.setU64(layout.CR0, 0x80010033n);
  vcpu.setU64(layout.CR3, 0x1000n);
  vcpu.setU64(layout.CR4, 0x6a0n);
  vcpu.setU64(layout.EFER, 0xd01n);
  vcpu.setSegment(layout.CS, { selector: 0x10, base: 0n, limit: 0xffffffff, attributes: 0xa09b });
  for (const s of [layout.ES, layout.SS, layout.DS]) vcpu.setSegment(s, { selector: 0x18, base: 0n, limit: 0xffffffff, attributes: 0xc093 });
  vcpu.rip = BigInt(CODE);
  vcpu.setGpr(4, BigInt(STACK));
  put(engine, CODE, hexCode);
  engine.modeChanged();
  engine.flush();
  return engine;
}

/** Bytes as hexadecimal digits, to a physical address. */
export function put(engine: WasmEngine, address: number, hex: string): void {
  engine.physicalWrite(address, Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

export function write64(engine: WasmEngine, address: number, value: bigint): void {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  engine.physicalWrite(address, bytes);
}
