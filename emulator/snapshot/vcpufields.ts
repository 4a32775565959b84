/** A vCPU's state by the names of its registers. */
import * as layout from '../x86/layout';
import { Vcpu } from '../x86/vcpu';
import { isFile, REGISTER_GROUPS, type Register, type RegisterFile, type RegisterGroup } from '../machine/registers';
import { asBool, asMap, asWide, fieldsOf, fromWide, only, type Fields, type Value } from './cbor';
import { bad } from './format';

/** What no register view shows, but what comes next depends on. */
const HIDDEN: readonly Register[] = [
  {
    name: 'cpl',
    about: 'Current privilege level',
    width: 2,
    read: (vcpu) => BigInt(vcpu.cpl),
    write: (vcpu, value) => void (vcpu.cpl = Number(value)),
  },
];
/** Interrupts are held back at this boundary, after STI or MOV SS. */
const SHADOW = 'interrupt_shadow';
const NEVER = (1n << 64n) - 1n;

const GROUPS = [...REGISTER_GROUPS, { name: 'hidden', about: 'What no register shows', registers: HIDDEN }];
const NAMES = new Set([...GROUPS.map(({ name }) => name), SHADOW]);
/** By group or file. */
const PARTS = new Map<RegisterGroup | RegisterFile, ReadonlySet<string>>(
  GROUPS.flatMap((group) => [
    [group, new Set(group.registers.map(({ name }) => name))],
    ...group.registers.filter(isFile).map((file) => [file, new Set(file.parts.map(({ name }) => name))] as const),
  ]),
);

/** `window`: the vCPU's state as the engine gives it. */
export function vcpuToFields(window: Uint8Array, position: number): Fields {
  const vcpu = blank();
  new Uint8Array(vcpu.view.buffer).set(window, layout.WINDOW);
  const value = ({ read, width }: Register): Value => fromWide(read(vcpu), width);
  const groups = GROUPS.map(({ name, registers }): [string, Value] => [
    name,
    new Map(
      registers.map((entry): [string, Value] => [
        entry.name,
        isFile(entry) ? new Map(entry.parts.map((part): [string, Value] => [part.name, value(part)])) : value(entry),
      ]),
    ),
  ]);
  return new Map<string, Value>([...groups, [SHADOW, vcpu.u64(layout.SHADOW_COUNT) === BigInt(position)]]);
}

export function fieldsToVcpu(fields: Fields, position: number, what: string): Uint8Array {
  const vcpu = blank();
  only(fields, NAMES, what);
  for (const table of GROUPS) {
    const { name, registers } = table;
    const group = asMap(fields.get(name), `${what}.${name}`);
    only(group, PARTS.get(table)!, `${what}.${name}`);
    for (const entry of registers) {
      const path = `${what}.${name}.${entry.name}`;
      const value = group.get(entry.name);
      if (!isFile(entry)) put(vcpu, entry, value, path);
      else {
        const parts = asMap(value, path);
        only(parts, PARTS.get(entry)!, path);
        for (const part of entry.parts) put(vcpu, part, parts.get(part.name), `${path}.${part.name}`);
      }
    }
  }
  if (vcpu.u32(layout.ACTIVITY) > 3) throw bad(`it is damaged: ${what}.activity.state is no activity`);
  vcpu.setU64(layout.SHADOW_COUNT, asBool(fields.get(SHADOW), `${what}.${SHADOW}`) ? BigInt(position) : NEVER);
  return new Uint8Array(vcpu.view.buffer).slice(layout.WINDOW, layout.WINDOW + layout.WINDOW_SIZE);
}

function put(vcpu: Vcpu, register: Register, value: Value | undefined, what: string): void {
  register.write?.(vcpu, asWide(value, what, register.width));
}

/** A window by itself. */
const blank = (): Vcpu => new Vcpu(new ArrayBuffer(layout.HELPER_DATA));

// ── The table ──────────────────────────────────────────────────────────────────────────────

const schemaOfRegister = ({ width, about, bits }: Register): Fields =>
  fieldsOf({
    type: `u${width}`,
    about,
    bits: bits && new Map(Object.entries(bits).map(([name, { low, width: size }]): [string, Value] => [name, [low, size]])),
  });

export function vcpuSchema(): Fields {
  const groups = GROUPS.map(({ name, about, registers }): [string, Value] => {
    const fields = new Map(
      registers.map((entry): [string, Value] => [
        entry.name,
        isFile(entry)
          ? fieldsOf({ type: 'group', about: entry.about, fields: new Map(entry.parts.map((part): [string, Value] => [part.name, schemaOfRegister(part)])) })
          : schemaOfRegister(entry),
      ]),
    );
    return [name, fieldsOf({ type: 'group', about, fields })];
  });
  return new Map<string, Value>([...groups, [SHADOW, fieldsOf({ type: 'bool', about: 'Interrupts are held back at this boundary' })]]);
}
