/** Random instances of an encoding: prefixes, ModRM with every addressing mode, immediates. */
import type { Encoding, OperandSpec } from '../../emulator/x86/definition';
import { CODE } from './layout';
import type { Random } from './random';
import { RSP, type AddressSize, type Scene } from './scene';
import { integer } from './values';

const MEMORY_OR_REGISTER = 'EWQ';
const GENERAL = 'EGZR';
/** Operands that this generator can't give a meaning to. */
const UNSUPPORTED = 'JACD';

export const canAssemble = (encoding: Encoding, mode: 32 | 64): boolean =>
  !encoding.operands.some(({ letter }) => UNSUPPORTED.includes(letter)) &&
  !encoding.attributes.has('near') &&
  !(mode === 64 ? ['i64'] : ['only64', 'w1']).some((attribute) => encoding.attributes.has(attribute));

interface Form {
  readonly operandSize: 16 | 32 | 64;
  readonly addressSize: AddressSize;
  /** 0x26 … 0x65, or 0. */
  readonly segment: number;
  readonly rexW: boolean;
}

/** ModRM with what follows it. */
interface ModRm {
  readonly modrm: number;
  readonly sib?: number;
  readonly displacement: readonly number[];
  readonly rexX?: boolean;
  readonly rexB?: boolean;
  /** Displacement relative to the next instruction: `target` is patched in when its address is known. */
  readonly ripTarget?: bigint;
  /** Not within one line of the cache. */
  readonly crossesLine?: boolean;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  /** A locked access that crosses a line of the cache. */
  readonly splitLock: boolean;
}

const LINE = 64;
const XCHG = 0x86;
const BIT_STRINGS = [0xa3, 0xab, 0xb3, 0xbb];

export function littleEndian(value: bigint | number, bytes: number): number[] {
  const all = BigInt.asUintN(64, BigInt(value));
  const low = Number(all & 0xffffffffn);
  const high = bytes > 4 ? Number(all >> 32n) : 0;
  const list: number[] = [];
  for (let i = 0; i < bytes; i++) list.push(((i < 4 ? low : high) >>> (8 * (i & 3))) & 0xff);
  return list;
}

const hasSizes = (encoding: Encoding): boolean => encoding.attributes.has('v') || encoding.operands.some(({ width }) => 'vzy'.includes(width) && width !== '');

/** The bytes of one instruction at `offset` in the code, and what it does to the scene. */
export function assemble(encoding: Encoding, scene: Scene, random: Random, offset: number): Assembled {
  const { operands, attributes, prefix } = encoding;
  const sized = hasSizes(encoding);
  const long = scene.mode === 64;
  const has66 = prefix === '66' || (sized && ['any', 'F2', 'F3'].includes(prefix) && !operands.some(({ width }) => width === 'y') && random.chance(30));
  const has67 = random.chance(8);
  const rexW = long && !attributes.has('w0') && (attributes.has('w1') || random.chance(sized ? 40 : 2));
  const form: Form = {
    operandSize: rexW ? 64 : has66 && prefix !== '66' ? 16 : long && attributes.has('o64') ? 64 : 32,
    addressSize: long ? (has67 ? 32 : 64) : has67 ? 16 : 32,
    segment: random.chance(12) ? random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]) : 0,
    rexW,
  };

  let rexR = false;
  let rexB = false;
  let modrm: ModRm | undefined;
  let plus = 0;
  if (encoding.modrmByte !== undefined) {
    const register = /[0-9A-F]{2}\+r/.test(encoding.text) && !encoding.plusRegister ? random.below(8) : 0;
    modrm = { modrm: encoding.modrmByte | register, displacement: [] };
  } else if (encoding.modrm !== null) {
    const regOperand = operands.find(({ letter }) => 'GVPS'.includes(letter));
    const reg = encoding.modrm === 'r' ? registerFor(regOperand, scene, random) : encoding.modrm;
    rexR = reg > 7;
    modrm = modRmFor(encoding, form, scene, random);
    modrm = { ...modrm, modrm: modrm.modrm | ((reg & 7) << 3) };
  }
  if (encoding.plusRegister) {
    const register = registerFor(
      operands.find(({ letter }) => letter === 'Z'),
      scene,
      random,
    );
    plus = register & 7;
    rexB = register > 7;
  }
  steerImplicit(encoding, form, scene, random);
  const isMemory = modrm !== undefined && modrm.modrm < 0xc0;
  const lock = attributes.has('lock') && isMemory ? random.chance(20) : random.chance(0.5);
  const bytes: number[] = [];
  if (form.segment) bytes.push(form.segment);
  if (has67) bytes.push(0x67);
  if (lock) bytes.push(0xf0);
  if (has66 && prefix !== '66') bytes.push(0x66);
  if (attributes.has('rep') && random.chance(60)) bytes.push(random.pick([0xf2, 0xf3]));
  else if (prefix === 'any' && encoding.map === '1' && encoding.opcode !== 0x90 && random.chance(1)) bytes.push(0xf3);
  if (random.chance(50)) bytes.reverse(); // the order of prefixes doesn't matter
  if (prefix !== 'any' && prefix !== 'NP') bytes.push(parseInt(prefix, 16));
  const rex = 0x40 | (rexW ? 8 : 0) | (rexR ? 4 : 0) | (modrm?.rexX ? 2 : 0) | (modrm?.rexB || rexB ? 1 : 0);
  if (long && (rex !== 0x40 || random.chance(10))) bytes.push(rex);
  bytes.push(...{ '1': [], '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] }[encoding.map]);
  bytes.push(encoding.opcode | plus);
  let ripField = 0;
  if (modrm) {
    bytes.push(modrm.modrm);
    if (modrm.sib !== undefined) bytes.push(modrm.sib);
    ripField = bytes.length;
    bytes.push(...modrm.displacement);
  }
  for (const operand of operands) bytes.push(...immediateFor(operand, encoding, form, scene, random));
  if (modrm?.ripTarget !== undefined) {
    const next = BigInt(CODE + scene.codeOffset + offset + bytes.length);
    littleEndian(modrm.ripTarget - next, 4).forEach((byte, index) => (bytes[ripField + index] = byte));
  }
  noteWrites(encoding, scene, plus | (rexB ? 8 : 0), modrm, rexR);
  const locked = lock || (encoding.map === '1' && (encoding.opcode & 0xfe) === XCHG);
  return { bytes: Uint8Array.from(bytes), splitLock: locked && modrm?.crossesLine === true };
}

/** A register number for an operand; general registers that address memory are mostly left alone. */
function registerFor(operand: OperandSpec | undefined, scene: Scene, random: Random): number {
  if (operand?.letter === 'S') return random.below(6);
  if (operand && 'PQN'.includes(operand.letter)) return random.below(8);
  const general = operand !== undefined && GENERAL.includes(operand.letter);
  for (let attempt = 0; ; attempt++) {
    const register = random.below(scene.registerCount);
    if (!general || !scene.pinned.has(register) || attempt > 6 || random.chance(5)) return register;
  }
}

export function operandBytes({ letter, width }: OperandSpec, operandSize: number): number {
  switch (width) {
    case 'b':
    case 'bs':
      return 1;
    case 'w':
      return 2;
    case 'd':
      return 4;
    case 'q':
      return 8;
    case 't':
      return 10;
    case 'x':
      return 16;
    case 'v':
      return operandSize / 8;
    case 'y':
      return operandSize === 64 ? 8 : 4;
    case 'z':
      return operandSize === 16 ? 2 : 4;
    default:
      return letter === 'M' ? 28 : 8;
  }
}

function modRmFor(encoding: Encoding, form: Form, scene: Scene, random: Random): ModRm {
  const { operands, attributes } = encoding;
  const operand = operands.find(({ letter }) => MEMORY_OR_REGISTER.includes(letter) || 'MRUN'.includes(letter));
  const registerOnly = attributes.has('mod3') || !operand || 'RUN'.includes(operand.letter);
  const memoryOnly = attributes.has('mem') || operand?.letter === 'M';
  if (registerOnly || (!memoryOnly && random.chance(40))) {
    const register = registerFor(operand, scene, random);
    return { modrm: 0xc0 | (register & 7), rexB: register > 7, displacement: [] };
  }
  const size = operandBytes(operand, form.operandSize);
  const target = BigInt(scene.dataTarget(size, form.addressSize));
  const address = effective(target, form, scene);
  const modrm = form.addressSize === 16 ? address16(address, scene, random) : address32(address, form.addressSize, scene, random);
  // The bit may be in any element of a string: where one is not aligned, others cross.
  const string = encoding.map === '0F' && BIT_STRINGS.includes(encoding.opcode);
  return { ...modrm, crossesLine: string ? Number(target) % size !== 0 : (Number(target) % LINE) + size > LINE };
}

/** The address before the segment's base is added. */
function effective(target: bigint, { segment }: Form, scene: Scene): bigint {
  return target - (segment === 0x64 ? scene.fsBase : segment === 0x65 ? scene.gsBase : 0n);
}

/** Base and index of the eight 16-bit forms (SDM volume 2, table 2-1). */
const FORMS16: readonly (readonly number[])[] = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];

function address16(address: bigint, scene: Scene, random: Random): ModRm {
  const rm = random.below(8);
  const registers = FORMS16[rm]!;
  const mod = random.below(3);
  if ((rm === 6 && mod === 0) || registers.some((register) => !scene.isKnown(register))) {
    return { modrm: 6, displacement: littleEndian(address, 2) };
  }
  const sum = (): bigint => registers.reduce((total, register) => total + scene.registers[register]!, 0n);
  const free = registers.find((register) => scene.isFree(register));
  if (free === undefined) return { modrm: 0x80 | rm, displacement: littleEndian(address - sum(), 2) };
  const displacement = mod === 0 ? 0n : mod === 1 ? BigInt(random.between(-128, 127)) : BigInt(random.below(0x10000));
  scene.pinLow(free, scene.registers[free]! + address - displacement - sum(), 16);
  for (const register of registers) scene.pinned.add(register);
  return { modrm: (mod << 6) | rm, displacement: littleEndian(displacement, mod) };
}

const fits = (value: bigint, bits: number): boolean => BigInt.asIntN(bits, value) === value;

function address32(address: bigint, size: 32 | 64, scene: Scene, random: Random): ModRm {
  const long = scene.mode === 64;
  const kind = random.below(10);
  if (kind === 0 && long) return { modrm: 5, displacement: [0, 0, 0, 0], ripTarget: address };
  if (kind === 1 && fits(BigInt.asIntN(size, address), 32)) {
    // Displacement alone; in 64-bit mode this needs a SIB byte.
    const displacement = littleEndian(address, 4);
    return long || random.chance(30) ? { modrm: 4, sib: 0x25, displacement } : { modrm: 5, displacement };
  }

  let indexed = 0n;
  let index: number | undefined;
  const scale = random.below(4);
  if (random.chance(50)) {
    const register = random.below(scene.registerCount);
    if (register !== RSP && scene.isKnown(register)) {
      index = register;
      if (scene.isFree(register)) scene.pinLow(register, BigInt(random.between(-200, 200)), size);
      scene.pinned.add(register);
      indexed = BigInt.asIntN(size, scene.registers[register]!) << BigInt(scale);
    }
  }
  const sib = (scale << 6) | (((index ?? 4) & 7) << 3);
  const high = { rexX: index !== undefined && index > 7 };

  for (let attempt = 0; attempt < 8; attempt++) {
    const base = random.below(scene.registerCount);
    if (!scene.isKnown(base)) continue;
    let displacement: bigint;
    let mod = random.below(3);
    if ((base & 7) === 5 && mod === 0) mod = 1;
    if (scene.isFree(base)) {
      displacement = mod === 0 ? 0n : mod === 1 ? BigInt(random.between(-128, 127)) : BigInt(random.u32() | 0);
      scene.pinLow(base, address - indexed - displacement, size);
    } else {
      displacement = BigInt.asIntN(size, address - indexed - scene.registers[base]!);
      if (!fits(displacement, 32)) continue;
      mod = fits(displacement, 8) ? 1 : 2;
    }
    scene.pinned.add(base);
    const bytes = littleEndian(displacement, mod === 2 ? 4 : mod);
    const withSib = index !== undefined || (base & 7) === 4 || random.chance(10);
    return withSib
      ? { modrm: (mod << 6) | 4, sib: sib | (base & 7), displacement: bytes, rexB: base > 7, ...high }
      : { modrm: (mod << 6) | (base & 7), displacement: bytes, rexB: base > 7 };
  }
  return { modrm: 4, sib: sib | 5, displacement: littleEndian(address - indexed, 4), ...high };
}

function immediateFor(operand: OperandSpec, encoding: Encoding, form: Form, scene: Scene, random: Random): number[] {
  if (operand.letter === 'O') {
    const target = BigInt(scene.dataTarget(operandBytes(operand, form.operandSize), form.addressSize));
    return littleEndian(effective(target, form, scene), form.addressSize / 8);
  }
  if (operand.letter !== 'I') return [];
  if (encoding.opcode === 0xc8 && encoding.map === '1') {
    // ENTER: frame size, nesting level
    return operand.width === 'w' ? littleEndian(random.below(200), 2) : [random.below(random.chance(90) ? 4 : 256)];
  }
  return littleEndian(integer(random), operandBytes(operand, form.operandSize));
}

/** Registers that count or address without being operands. */
function steerImplicit(encoding: Encoding, form: Form, scene: Scene, random: Random): void {
  const { opcode, map, attributes, operands, modrm } = encoding;
  const point = (register: number, size: number, segment = form.segment): void => {
    if (!scene.isFree(register)) return;
    const target = BigInt(scene.dataTarget(size, form.addressSize));
    scene.pinLow(register, effective(target, { ...form, segment }, scene), form.addressSize);
  };
  if (attributes.has('string')) {
    point(6, 32);
    point(7, 32, 0);
    if (scene.isFree(1) && random.chance(90)) scene.pinLow(1, BigInt(random.below(random.chance(80) ? 12 : 600)), form.addressSize);
    if (random.chance(40)) scene.rflags ^= 0x400;
  }
  if (operands.some(({ letter }) => letter === 'B')) point(3, 256);
  if (operands.some(({ letter }) => letter === 'Y')) point(7, 16);
  if (map === '1' && (opcode === 0xc9 || opcode === 0xc8) && scene.isFree(5)) scene.pin(5, BigInt(scene.frameTarget()));
  // A dividend that fits, in half of all cases.
  const divides = map === '1' && (opcode === 0xf6 || opcode === 0xf7) && (modrm === 6 || modrm === 7);
  if (divides && scene.isFree(2) && random.chance(50)) scene.set(2, random.chance(50) ? 0n : -BigInt(random.below(2)));
  if (divides && opcode === 0xf6 && scene.isFree(0) && random.chance(70)) scene.set(0, BigInt(random.below(0x200)));
  // Bit numbers reach far beyond the operand: keep most of them in the data.
  if (map === '0F' && BIT_STRINGS.includes(opcode) && random.chance(90)) {
    for (let register = 0; register < scene.registerCount; register++) {
      if (scene.isFree(register)) scene.set(register, BigInt(random.between(-500, 500)));
    }
  }
}

/** Which registers are no longer what they were: a guess is enough, it only keeps addresses sensible. */
function noteWrites(encoding: Encoding, scene: Scene, plus: number, modrm: ModRm | undefined, rexR: boolean): void {
  const { operands, attributes, map, opcode } = encoding;
  const rm = modrm && modrm.modrm >= 0xc0 ? (modrm.modrm & 7) | (modrm.rexB ? 8 : 0) : undefined;
  const reg = modrm ? ((modrm.modrm >> 3) & 7) | (rexR ? 8 : 0) : undefined;
  for (const { letter, register } of operands.slice(0, 2)) {
    const touched = letter === 'G' ? reg : letter === 'Z' ? plus : letter === 'fixed' ? register : rm;
    if (touched !== undefined && (GENERAL.includes(letter) || letter === 'fixed')) scene.written.add(touched);
  }
  const implicit = attributes.has('string') ? [0, 1, 6, 7] : map === '1' && opcode >= 0xf6 && opcode <= 0xf7 ? [0, 2] : [];
  for (const register of operands.length === 0 ? [...implicit, 0, 2] : implicit) scene.written.add(register);
  if (map === '1' && (opcode === 0xc9 || opcode === 0xc8)) scene.written.add(5);
  if (map === '1' && opcode === 0x61) for (let register = 0; register < 8; register++) scene.written.add(register);
}
