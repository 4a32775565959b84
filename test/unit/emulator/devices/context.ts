import assert from 'node:assert/strict';
import type { AccessSize, Device, DeviceContext, Line, PhysicalMemory } from '../../../../emulator/bus/device';
import type { Field, FieldTable } from '../../../../emulator/bus/fields';

/** A machine around one device: a clock that the test sets, and some memory. */
export class TestContext implements DeviceContext {
  time = 0;
  rearmed = 0;
  readonly bytes = new Uint8Array(0x10000);
  readonly memory: PhysicalMemory = {
    read: (address, into) => {
      for (let i = 0; i < into.length; i++) into[i] = this.bytes[address + i] ?? 0xff;
    },
    write: (address, from) => {
      for (let i = 0; i < from.length; i++) if (address + i < this.bytes.length) this.bytes[address + i] = from[i]!;
    },
  };

  now(): number {
    return this.time;
  }

  rearm(): void {
    this.rearmed++;
  }

  /** Lets time pass to `until`, calling `expire` exactly when due. */
  run(device: Device, until: number, most = 100_000): void {
    for (let events = 0; ; events++) {
      const due = device.deadline?.() ?? Infinity;
      if (due > until) break;
      assert.ok(events < most, `${device.name}: more than ${most} events before ${until}`);
      this.time = Math.max(due, this.time);
      device.expire?.(this.time);
    }
    this.time = until;
  }
}

/** A line that remembers what was driven. */
export class TestLine implements Line {
  level = false;
  rises = 0;

  set(level: boolean): void {
    if (level && !this.level) this.rises++;
    this.level = level;
  }
}

/** Small repeatable generator (xorshift32). */
export function random(seed: number): (below: number) => number {
  let x = seed | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

export const SIZES: readonly AccessSize[] = [1, 2, 4];

/** Every field is there, within the range that its kind declares, and nothing else is. */
export function checkState(table: FieldTable, state: Readonly<Record<string, unknown>>, path = ''): void {
  assert.deepEqual(Object.keys(state).sort(), Object.keys(table).sort(), `${path}: fields`);
  for (const [name, field] of Object.entries(table)) checkField(field, state[name], `${path}.${name}`);
}

function checkField(field: Field, value: unknown, path: string): void {
  const integer = (bits: number): void =>
    assert.ok(
      typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** bits && !Object.is(value, -0),
      `${path}: ${String(value)} is not a u${bits}`,
    );
  switch (field.kind) {
    case 'u8':
      return integer(8);
    case 'u16':
      return integer(16);
    case 'u32':
      return integer(32);
    case 'u64':
      return assert.ok(typeof value === 'bigint' && value >= 0n && value < 1n << 64n, `${path}: ${String(value)}`);
    case 'bool':
      return assert.equal(typeof value, 'boolean', path);
    case 'time':
      return value === Infinity ? undefined : integer(53);
    case 'choice':
      return assert.ok(field.words.includes(value as string), `${path}: ${String(value)}`);
    case 'bytes':
      return assert.ok(value instanceof Uint8Array && value.length === field.length, path);
    case 'buffer':
      return assert.ok(value instanceof Uint8Array && value.length <= field.capacity, path);
    case 'queue':
      assert.ok(Array.isArray(value) && value.length <= field.capacity, path);
      return value.forEach((byte, i) => checkField({ kind: 'u8', about: '', initial: 0 }, byte, `${path}[${i}]`));
    case 'list':
      assert.ok(Array.isArray(value) && value.length === field.length, path);
      return value.forEach((element, i) => checkField(field.element, element, `${path}[${i}]`));
    case 'group':
      return checkState(field.fields, value as Record<string, unknown>, path);
  }
}

/** Some value that the field's kind allows: what a debugger or a snapshot's editor may put there. */
function arbitrary(field: Field, next: (below: number) => number): unknown {
  const integer = (bits: number): number => [0, 2 ** bits - 1, next(2 ** bits), next(256)][next(4)]!;
  switch (field.kind) {
    case 'u8':
      return next(256);
    case 'u16':
      return integer(16);
    case 'u32':
      return integer(32);
    case 'u64':
      return (BigInt(integer(32)) << 32n) | BigInt(integer(32));
    case 'bool':
      return next(2) === 0;
    case 'time':
      return [Infinity, 0, next(2 ** 32), next(2 ** 21) * 2 ** 32 + next(2 ** 32)][next(4)];
    case 'choice':
      return field.words[next(field.words.length)];
    case 'bytes':
      return Uint8Array.from({ length: field.length }, () => next(256));
    case 'buffer':
      return Uint8Array.from({ length: next(Math.min(field.capacity, 5000) + 1) }, () => next(256));
    case 'queue':
      return Array.from({ length: next(field.capacity + 1) }, () => next(256));
    case 'list':
      return Array.from({ length: field.length }, () => arbitrary(field.element, next));
    case 'group':
      return Object.fromEntries(Object.entries(field.fields).map(([name, f]) => [name, arbitrary(f, next)]));
  }
}

/** Puts a saved state back, as the snapshot code does. */
export function restore(device: Device, saved: Device['state']): void {
  Object.assign(device.state, structuredClone(saved));
  device.restored?.();
}

/** A device with the windows it answers in, and what can be seen from outside. */
export interface Subject {
  readonly device: Device;
  /** One random access or input; gives what the guest saw. */
  poke(random: (below: number) => number): unknown;
  /** Levels of output lines and the like. */
  observe(): unknown;
}

/**
 * What holds for every device: a fuzz of accesses never throws and keeps the state in its
 * declared ranges; and a restored device goes on exactly as the saved one did.
 */
export function laws(name: string, make: (context: TestContext) => Subject, rounds = 3000): void {
  describe(`${name}: laws of a device`, () => {
    /** Random accesses with time passing; returns everything that could be seen. */
    const drive = (context: TestContext, subject: Subject, seed: number, steps: number): unknown[] => {
      const next = random(seed);
      const seen: unknown[] = [];
      for (let i = 0; i < steps; i++) {
        seen.push(subject.poke(next));
        seen.push(subject.observe());
        if (next(4) === 0) {
          const span = next(3) === 0 ? next(5_000_000) : next(3000);
          context.run(subject.device, context.time + span);
          seen.push(subject.observe());
        }
      }
      return seen;
    };

    it('survives a fuzz of accesses with its state in range', () => {
      const context = new TestContext();
      const subject = make(context);
      checkState(subject.device.table, subject.device.state, name);
      for (let round = 0; round < 20; round++) {
        drive(context, subject, 1000 + round, rounds / 20);
        checkState(subject.device.table, subject.device.state, name);
      }
      subject.device.reset();
      checkState(subject.device.table, subject.device.state, name);
    });

    it('bears any state within the ranges', () => {
      const next = random(99);
      for (let i = 0; i < 100; i++) {
        const context = new TestContext();
        const subject = make(context);
        drive(context, subject, i + 1, 20);
        for (const [name, field] of Object.entries(subject.device.table)) {
          if (next(3) === 0) Object.assign(subject.device.state, { [name]: arbitrary(field, next) });
        }
        subject.device.restored?.();
        drive(context, subject, i + 1000, 50);
        checkState(subject.device.table, subject.device.state, name);
      }
    });

    it('goes on after a restore as it did after the save', () => {
      for (let seed = 1; seed <= 10; seed++) {
        const context = new TestContext();
        const subject = make(context);
        drive(context, subject, seed, 300);
        const time = context.time;
        const saved = structuredClone(subject.device.state);
        const expected = drive(context, subject, seed + 100, 300);
        const after = structuredClone(subject.device.state);

        context.time = time;
        restore(subject.device, saved);
        assert.deepEqual(drive(context, subject, seed + 100, 300), expected, 'in the same device');
        assert.deepEqual(subject.device.state, after);

        const fresh = new TestContext();
        const twin = make(fresh);
        fresh.time = time;
        restore(twin.device, saved);
        assert.deepEqual(drive(fresh, twin, seed + 100, 300), expected, 'in a new device');
        assert.deepEqual(twin.device.state, after);
      }
    });
  });
}
