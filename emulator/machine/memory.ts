import type { Engine } from '../engine/engine';
import { A20_MASK, RAM, RAM_SIZE, REGION_COUNT, REGIONS, REGION_SIZE } from '../x86/layout';

const PAGE = 4096n;

/** Memory as the debugger sees it: no device is read, no access bit is set, nothing is cached. */
export class MemoryAccess {
  private readonly view: DataView;
  constructor(private readonly engine: Engine) {
    this.view = new DataView(engine.memory.buffer);
  }

  /** Whether RAM or a backed window lies at a physical address. */
  private backed(physical: number): boolean {
    if (physical < this.view.getUint32(RAM_SIZE, true)) return !(physical >= 0xa0000 && physical < 0xc0000);
    const count = this.view.getUint32(REGION_COUNT, true);
    for (let at = REGIONS; at < REGIONS + count * REGION_SIZE; at += REGION_SIZE) {
      const address = BigInt(physical);
      if (address >= this.view.getBigUint64(at, true) && address <= this.view.getBigUint64(at + 8, true)) return true;
    }
    return false;
  }

  /** Physical address, as vCPU `vcpu` would use it; undefined where nothing is mapped. */
  translate(vcpu: number, linear: bigint): number | undefined {
    const { engine } = this;
    const current = engine.current;
    if (vcpu !== current) engine.select(vcpu);
    try {
      const physical = engine.translate(BigInt.asUintN(64, linear));
      return physical === undefined ? undefined : Number(BigInt(physical) & this.view.getBigUint64(A20_MASK, true));
    } finally {
      if (vcpu !== current) engine.select(current);
    }
  }

  /** Pieces within pages, up to the first that can't be reached. */
  private *pieces(vcpu: number, space: 'linear' | 'physical', address: bigint, length: number): Generator<{ physical: number; at: number; length: number }> {
    for (let at = 0; at < length;) {
      const here = BigInt.asUintN(64, address + BigInt(at));
      const piece = Math.min(length - at, Number(PAGE - (here % PAGE)));
      const physical = space === 'physical' ? Number(here) : this.translate(vcpu, here);
      if (physical === undefined || !this.backed(physical)) return;
      yield { physical, at, length: piece };
      at += piece;
    }
  }

  read(vcpu: number, space: 'linear' | 'physical', address: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    let end = 0;
    for (const { physical, at, length: piece } of this.pieces(vcpu, space, address, length)) {
      this.engine.physicalRead(physical, bytes.subarray(at, at + piece));
      end = at + piece;
    }
    return end === length ? bytes : bytes.slice(0, end);
  }

  number(vcpu: number, space: 'linear' | 'physical', address: bigint, size: number): bigint | undefined {
    const bytes = this.read(vcpu, space, address, size);
    if (bytes.length < size) return undefined;
    return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  /** Physical pieces that a write of these bytes goes to. */
  targets(vcpu: number, space: 'linear' | 'physical', address: bigint, bytes: Uint8Array): { physical: number; bytes: Uint8Array }[] {
    return [...this.pieces(vcpu, space, address, bytes.length)].map(({ physical, at, length }) => ({ physical, bytes: bytes.slice(at, at + length) }));
  }

  /** Backing page numbers start at the engine's structures; RAM's first page is this one. */
  static readonly firstPage = RAM / Number(PAGE);
}
