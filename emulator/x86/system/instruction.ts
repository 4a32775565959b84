import * as layout from '../layout';
import { ATTR, type Vcpu } from '../vcpu';
import type { AccessSize, SystemContext } from './context';
import { GP, GuestException, SS, undefinedOpcode } from './exceptions';

/** A decoded record as system functions see it. */
export class HostInstruction {
  private record = 0;

  constructor(
    private readonly memory: DataView,
    private readonly vcpu: Vcpu,
  ) {}

  at(record: number): this {
    this.record = record;
    return this;
  }

  /** Operand size in bytes. */
  get size(): 1 | 2 | 4 | 8 {
    return (1 << (this.memory.getUint8(this.record + layout.REC_SIZE) & 3)) as 1 | 2 | 4 | 8;
  }
  get length(): number {
    return this.memory.getUint16(this.record + layout.REC_OFFSET, true) >> 12;
  }
  get immediate(): bigint {
    return this.memory.getBigUint64(this.record + layout.REC_IMM, true);
  }
  get immediateByte(): number {
    return this.memory.getUint8(this.record + layout.REC_IMM);
  }
  /** Window address of explicit register operand 0, 1 or 2. */
  place(index: 0 | 1 | 2): number {
    return this.memory.getUint16(this.record + layout.REC_A + index * 2, true);
  }
  get hasMemory(): boolean {
    return (this.memory.getUint8(this.record + layout.REC_MEM) & 8) !== 0;
  }
  get addressSize(): 2 | 4 | 8 {
    return (2 << ((this.memory.getUint8(this.record + layout.REC_MEM) >> 4) & 3)) as 2 | 4 | 8;
  }
  /** Number of the segment, control or debug register that operand `index` names. */
  get segmentOverride(): number {
    return this.memory.getUint8(this.record + layout.REC_MEM) & 7;
  }

  readRegister(index: 0 | 1 | 2, size: AccessSize = this.size): bigint {
    const value = this.vcpu.u64(this.place(index) & ~(size === 1 ? 0 : 7));
    return size === 1 ? value & 0xffn : BigInt.asUintN(size * 8, value);
  }
  writeRegister(index: 0 | 1 | 2, value: bigint, size: AccessSize = this.size): void {
    const at = this.place(index);
    if (size === 8) this.vcpu.setU64(at, BigInt.asUintN(64, value));
    else if (size === 4) this.vcpu.setU64(at, value & 0xffffffffn);
    else if (size === 2) this.vcpu.setU16(at, Number(value & 0xffffn));
    else this.vcpu.view.setUint8(at, Number(value & 0xffn));
  }

  /** The same for up to 32 bits, without bigints: port accesses come in millions. */
  readNarrow(index: 0 | 1 | 2, size: 1 | 2 | 4): number {
    const at = this.place(index);
    return size === 1 ? this.vcpu.view.getUint8(at) : size === 2 ? this.vcpu.u16(at) : this.vcpu.u32(at);
  }
  writeNarrow(index: 0 | 1 | 2, value: number, size: 1 | 2 | 4): void {
    const at = this.place(index);
    if (size === 1) return this.vcpu.view.setUint8(at, value);
    if (size === 2) return this.vcpu.setU16(at, value);
    this.vcpu.setU32(at, value);
    this.vcpu.setU32(at + 4, 0);
  }

  /** Offset of the memory operand in its segment. */
  get offset(): bigint {
    const { memory, record } = this;
    const mask = BigInt.asUintN(this.addressSize * 8, -1n);
    if (memory.getUint8(record + layout.REC_MEM) & layout.MEM_ABSOLUTE) return this.immediate & mask;
    const base = this.vcpu.u64(memory.getUint16(record + layout.REC_BASE, true));
    const index = this.vcpu.u64(memory.getUint16(record + layout.REC_INDEX, true)) << BigInt(memory.getUint8(record + layout.REC_SCALE));
    return (base + index + BigInt(memory.getInt32(record + layout.REC_DISP, true))) & mask;
  }

  /** Checked linear address of `size` bytes at a displacement into the memory operand. */
  linear(size: number, displacement = 0, write = false): bigint {
    if (!this.hasMemory) throw undefinedOpcode();
    return segmentLinear(this.vcpu, this.segmentOverride, this.offset + BigInt(displacement), size, write);
  }

  /** Explicit operand `index`: a register or the memory operand. */
  read(ctx: SystemContext, index: 0 | 1 | 2, size: AccessSize = this.size): bigint {
    if (this.hasMemory && this.place(index) === layout.ZERO) return ctx.read(this.linear(size), size, 'current');
    return this.readRegister(index, size);
  }
  write(ctx: SystemContext, index: 0 | 1 | 2, value: bigint, size: AccessSize = this.size): void {
    if (this.hasMemory && this.place(index) === layout.ZERO) ctx.write(this.linear(size, 0, true), size, BigInt.asUintN(size * 8, value), 'current');
    else this.writeRegister(index, value, size);
  }
}

/** Linear address in a segment, with limit, type and canonical checks (SDM vol. 3, 5.3). */
export function segmentLinear(vcpu: Vcpu, segment: number, offset: bigint, size: number, write: boolean): bigint {
  const s = vcpu.segment(segment);
  if (vcpu.mode64) {
    const linear = BigInt.asUintN(64, segment === layout.FS || segment === layout.GS ? s.base + offset : offset);
    if (BigInt.asUintN(64, BigInt.asIntN(48, linear)) !== linear) throw new GuestException(segment === layout.SS ? SS : GP, 0);
    return linear;
  }
  const fault = () => new GuestException(segment === layout.SS ? SS : GP, 0);
  const last = offset + BigInt(size) - 1n;
  const { attributes } = s;
  if (attributes & 0x10000) throw fault();
  if (attributes & ATTR.code ? write || !(attributes & ATTR.readable) : write && !(attributes & ATTR.writable)) throw fault();
  const down = !(attributes & ATTR.code) && attributes & ATTR.expandDown;
  const top = attributes & ATTR.big ? 0xffffffffn : 0xffffn;
  if (down ? offset <= BigInt(s.limit) || last > top : last > BigInt(s.limit)) throw fault();
  return (s.base + offset) & 0xffffffffn;
}

export type SystemFunction = (ctx: SystemContext, insn: HostInstruction) => void;
