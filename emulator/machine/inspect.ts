import type { Device } from '../bus/device';
import type { BitTable, Field, FieldTable, StateOf } from '../bus/fields';
import { userError } from '../errors';
import type { Vcpu } from '../x86/vcpu';
import type { StateNode } from './api';
import type { Machine } from './machine';
import { isFile, REGISTER_GROUPS, type Register, type RegisterFile } from './registers';

// ── Bits ───────────────────────────────────────────────────────────────────────────────────

const mask = (width: number): bigint => (1n << BigInt(width)) - 1n;

function bitNodes(table: BitTable | undefined, value: bigint, writable: boolean): { children?: StateNode[] } {
  if (!table) return {};
  return {
    children: Object.entries(table).map(([name, { low, width, about, values }]) => {
      const part = (value >> BigInt(low)) & mask(width);
      const meaning = values?.[Number(part)];
      return { name, about: meaning === undefined ? about : `${about}: ${meaning}`, value: part, width, writable };
    }),
  };
}

function withBits(table: BitTable | undefined, whole: bigint, name: string, value: bigint): bigint {
  const found = table && Object.hasOwn(table, name) ? table[name] : undefined;
  if (!found) throw noSuch(name);
  inRange(name, value, found.width);
  return (whole & ~(mask(found.width) << BigInt(found.low))) | (value << BigInt(found.low));
}

const noSuch = (name: string | undefined): Error => userError('no-field', `there is no field '${name ?? ''}' here`);
function inRange(name: string, value: bigint, width: number): void {
  if (value < 0n || value > mask(width)) throw userError('field-range', `${value} does not fit into the ${width} bits of '${name}'`);
}

// ── vCPU ───────────────────────────────────────────────────────────────────────────────────

function registerNode(register: Register, vcpu: Vcpu): StateNode {
  const { name, about, width, bits, write } = register;
  const value = register.read(vcpu);
  const writable = write !== undefined;
  if (width === 80) {
    const bytes = Uint8Array.from({ length: 10 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
    return { name, about, value: bytes, width, writable };
  }
  return { name, about, value, width, writable, ...bitNodes(bits, value, writable) };
}

const entryNode = (entry: Register | RegisterFile, vcpu: Vcpu): StateNode =>
  isFile(entry) ? { name: entry.name, about: entry.about, children: entry.parts.map((part) => registerNode(part, vcpu)) } : registerNode(entry, vcpu);

const RFLAGS = REGISTER_GROUPS[0]!.registers.find((entry): entry is Register => entry.name === 'rflags')!;

export function vcpuNodes(machine: Machine, number: number): StateNode[] {
  const vcpu = machine.vcpus.at(number);
  const lapic = machine.board.lapics[number]!;
  const groups = REGISTER_GROUPS.map(({ name, about, registers }): StateNode => ({ name, about, children: registers.map((entry) => entryNode(entry, vcpu)) }));
  const control = groups.find(({ name }) => name === 'control')!;
  const cr8: StateNode = { name: 'cr8', about: 'Task priority class', value: BigInt(lapic.cr8), width: 4, writable: true };
  const flags: StateNode = { name: 'flags', about: 'Flags', ...bitNodes(RFLAGS.bits, vcpu.rflags, true) };
  return [
    groups[0]!,
    flags,
    ...groups.slice(1).map((group) => (group === control ? { ...group, children: [...group.children!, cr8] } : group)),
    { name: 'lapic', about: 'Local APIC', children: fieldNodes(lapic.table, lapic.state as StateOf<FieldTable>) },
  ];
}

/** Registers by the names of conditions: rax, cs (the selector), cs.base, cr0, … */
export function registersOf(machine: Machine, number: number): Record<string, bigint> {
  const vcpu = machine.vcpus.at(number);
  const found: Record<string, bigint> = {};
  for (const { registers } of REGISTER_GROUPS) {
    for (const entry of registers) {
      if (!isFile(entry)) found[entry.name] = entry.read(vcpu);
      else for (const part of entry.parts) found[part.name === 'selector' ? entry.name : `${entry.name}.${part.name}`] = part.read(vcpu);
    }
  }
  found['cr8'] = BigInt(machine.board.lapics[number]!.cr8);
  return found;
}

/** One register by the names of `registersOf`, without reading the others. */
const READERS: ReadonlyMap<string, Register> = new Map(
  REGISTER_GROUPS.flatMap(({ registers }) =>
    registers.flatMap((entry): [string, Register][] =>
      isFile(entry) ? entry.parts.map((part) => [part.name === 'selector' ? entry.name : `${entry.name}.${part.name}`, part]) : [[entry.name, entry]],
    ),
  ),
);
export const registerOf = (machine: Machine, number: number, name: string): bigint | undefined =>
  name === 'cr8' ? BigInt(machine.board.lapics[number]!.cr8) : READERS.get(name)?.read(machine.vcpus.at(number));

export function setVcpu(machine: Machine, number: number, path: readonly string[], value: bigint): void {
  const [groupName, name, ...rest] = path;
  const vcpu = machine.vcpus.at(number);
  const lapic = machine.board.lapics[number]!;
  if (groupName === 'lapic') return setDevice(lapic, path.slice(1), value);
  if (groupName === 'flags' && name !== undefined) return RFLAGS.write!(vcpu, withBits(RFLAGS.bits, vcpu.rflags, name, value));
  if (groupName === 'control' && name === 'cr8') {
    inRange('cr8', value, 4);
    lapic.cr8 = Number(value);
    return;
  }
  const entry = REGISTER_GROUPS.find((group) => group.name === groupName)?.registers.find((candidate) => candidate.name === name);
  if (!entry) throw noSuch(name ?? groupName);
  const register = isFile(entry) ? entry.parts.find((part) => part.name === (rest[0] ?? 'selector')) : entry;
  if (!register) throw noSuch(rest[0]);
  const bitName = isFile(entry) ? rest[1] : rest[0];
  if (!register.write) throw userError('read-only', `'${register.name}' can't be changed`);
  const whole = bitName === undefined ? value : withBits(register.bits, register.read(vcpu), bitName, value);
  inRange(register.name, whole, register.width);
  register.write(vcpu, whole);
}

// ── Devices ────────────────────────────────────────────────────────────────────────────────

const WIDTHS: Partial<Record<Field['kind'], number>> = { u8: 8, u16: 16, u32: 32, u64: 64 };

function fieldNode(name: string, field: Field, value: unknown): StateNode {
  const base = { name, about: field.about };
  switch (field.kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'u64': {
      const number = BigInt(value as number | bigint);
      return { ...base, value: number, width: WIDTHS[field.kind]!, writable: true, ...bitNodes(field.bits, number, true) };
    }
    case 'bool':
      return { ...base, value: value as boolean, width: 1, writable: true };
    case 'time':
      return { ...base, value: value === Infinity ? 'never' : (value as number) };
    case 'choice':
      return { ...base, value: value as string };
    case 'bytes':
    case 'buffer':
      return { ...base, value: value as Uint8Array };
    case 'queue':
      return { ...base, value: Uint8Array.from(value as number[]) };
    case 'list':
      return { ...base, children: (value as unknown[]).map((item, index) => fieldNode(`[${index}]`, field.element, item)) };
    case 'group':
      return { ...base, children: fieldNodes(field.fields, value as StateOf<FieldTable>) };
  }
}

const fieldNodes = (table: FieldTable, state: StateOf<FieldTable>): StateNode[] =>
  Object.entries(table).map(([name, field]) => fieldNode(name, field, state[name]));

export const deviceNodes = (devices: readonly Device[]): StateNode[] =>
  devices.map(({ name, kind, table, state }) => ({ name, about: kind, children: fieldNodes(table, state) }));

/** Sets a field of a device; the device puts its wiring in step. */
export function setDevice(device: Device, path: readonly string[], value: bigint): void {
  const change = (table: FieldTable, state: Record<string, unknown>, rest: readonly string[]): void => {
    const [name, ...deeper] = rest;
    const field = name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
    if (!field || name === undefined) throw noSuch(name);
    state[name] = changed(field, name, state[name], deeper);
  };
  const changed = (field: Field, name: string, old: unknown, rest: readonly string[]): unknown => {
    switch (field.kind) {
      case 'u8':
      case 'u16':
      case 'u32':
      case 'u64': {
        const whole = rest[0] === undefined ? value : withBits(field.bits, BigInt(old as number | bigint), rest[0], value);
        inRange(name, whole, WIDTHS[field.kind]!);
        return field.kind === 'u64' ? whole : Number(whole);
      }
      case 'bool':
        inRange(name, value, 1);
        return value !== 0n;
      case 'group':
        change(field.fields, old as Record<string, unknown>, rest);
        return old;
      case 'list': {
        const index = Number(/^\[(\d+)\]$/.exec(rest[0] ?? '')?.[1] ?? NaN);
        const items = old as unknown[];
        if (!(index < items.length)) throw noSuch(rest[0]);
        items[index] = changed(field.element, rest[0]!, items[index], rest.slice(1));
        return old;
      }
      default:
        throw userError('read-only', `'${name}' can't be changed`);
    }
  };
  change(device.table, device.state as Record<string, unknown>, path);
  device.restored?.();
}
