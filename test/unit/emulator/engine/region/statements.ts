/** Statements of random programs: over flags, memory and numbers. */
import type { Random } from '../../../../oracle/random';
import { Assembler, HIGH, type Alu, type Label, type Memory, type Place, type Size } from './assembler';

/** Registers that hold anything; that point into memory; that count loops, by their depth. */
const VALUES = [0, 1, 2, 3, 5, 9, 10, 11, 12];
const POINTERS = [6, 7, 8];
export const COUNTERS = [13, 14, 15];
export const SIZES: readonly Size[] = [8, 16, 32, 64];
const SUMS = ['cmp', 'sub', 'add', 'and', 'or', 'xor', 'test'] as const;
const ALL: readonly Alu[] = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const IMMEDIATES = [0, 1, -1, 2, 3, 5, 7, 8, 16, 64, 127, -128, 255, 0x7fff, 0x7fffffff, -0x80000000];
const STEPS = [1, 2, 4, 8, -1, -2, -4, -8, 3, 16, 24, -16, 64, 0x100, -0x100, 0xff8, 0x1000];

export class Statements {
  protected readonly code: Assembler;
  protected readonly functions: Label[] = [];
  protected readonly tables: { readonly at: number; readonly cases: readonly Label[] }[] = [];
  /** Statements that are still to be made. */
  protected left: number;
  /** The few registers that this program uses: so they meet. */
  private readonly values: readonly number[];

  constructor(
    protected readonly random: Random,
    origin: number,
  ) {
    this.code = new Assembler(origin);
    this.left = random.between(8, 45);
    this.values = Array.from({ length: random.between(2, 6) }, () => random.pick(VALUES));
  }

  /** What the compiler finds a loop's flags from again: any of its forms. */
  protected sum(): void {
    const { code, random } = this;
    const size = random.pick(SIZES);
    const operation = random.pick(SUMS);
    const register = (): number => (random.chance(25) ? random.pick(COUNTERS) : this.value());
    const to = size === 8 && random.chance(40) ? HIGH + random.below(4) : register();
    if (random.chance(40)) return code.aluImmediate(operation, size, to, this.immediate());
    const from = to >= HIGH ? (random.chance(50) ? HIGH + random.below(4) : random.below(4)) : random.chance(15) ? to : register();
    code.alu(operation, size, to, from);
  }
  protected overwrite(): void {
    const { code, random } = this;
    const register = random.chance(30) ? random.pick(COUNTERS) : this.value();
    switch (random.below(4)) {
      case 0:
        return code.move(random.pick(SIZES), register, this.value());
      case 1:
        return code.lea(register, { base: register, displacement: random.pick(STEPS) });
      case 2:
        return code.op(random.pick([32, 64]), [0x87], register, this.value());
      default:
        return code.op(8, [0xc6], 0, random.chance(50) ? random.below(4) + HIGH : random.below(4), { immediate: [random.below(256)] });
    }
  }

  /** What a loop begins with that looks at the flags of the round before, or changes what they are found from. */
  protected carried(depth: number): void {
    const { code, random } = this;
    for (let n = random.between(1, 3); n > 0; n--) {
      const over: Label | undefined = random.chance(35) ? {} : undefined;
      // JRCXZ leaves the flags alone.
      if (over && random.chance(60)) code.loop(0xe3, over);
      else if (over) code.jcc(random.below(16), over);
      if (random.chance(60)) this.overwrite();
      else if (random.chance(70)) this.walk();
      else code.sse(0xf2, [0x0f, random.pick([0x58, 0x59, 0x5c, 0x5e])], random.below(6), random.below(6));
      if (over) code.bind(over);
      if (random.chance(60)) this.flagConsumer(depth);
    }
  }
  /** From page to page: the first access to each isn't compiled code's. */
  private walk(): void {
    const { code, random } = this;
    const base = random.pick(POINTERS);
    code.load(random.pick(SIZES), this.value(), { base, displacement: random.pick([0, 0, 0, 8]) });
    code.lea(base, { base, displacement: random.pick([0x1000, 0xff8, -0x1000, 8, -4]) });
  }

  protected value(): number {
    return this.random.pick(this.values);
  }
  private immediate(): number {
    return this.random.chance(80) ? this.random.pick(IMMEDIATES) : this.random.u32() | 0;
  }
  private memory(): Memory {
    const { random } = this;
    const displacement = random.chance(60) ? random.pick([0, 0, 4, 8, -8, 20, 0xffc, 0x7fc]) : random.below(0x1000);
    return { base: random.pick(POINTERS), displacement };
  }
  private byte(): number {
    return this.random.chance(35) ? HIGH + this.random.below(4) : this.value();
  }

  protected statement(depth: number): void {
    this.left--;
    const { random } = this;
    const kind = random.below(100);
    if (kind < 16) this.flagProducer();
    else if (kind < 36) this.flagConsumer(depth);
    else if (kind < 57) this.access();
    else if (kind < 60) this.apart();
    else if (kind < 66) this.overwrite();
    else if (kind < 80) this.number();
    else if (kind < 88) this.branch(depth);
    else if (kind < 91) this.table(depth);
    else if (kind < 94 && this.functions.length) this.code.call(random.pick(this.functions));
    else if (kind < 96) this.changeItself();
    else this.code.alu(random.pick(ALL), random.pick([16, 32, 64]), this.value(), this.value());
  }

  private flagProducer(): void {
    const { code, random } = this;
    const size = random.pick(SIZES);
    const to: Place = size === 8 ? this.byte() : this.value();
    const other = to >= HIGH ? random.below(4) : this.value();
    const wide = size === 8 ? 0 : 1;
    const word: Size = size === 8 ? 32 : size;
    switch (random.below(9)) {
      case 0:
        return code.op(size, [0xd2 | wide], random.pick([0, 1, 2, 3, 4, 5, 7]), to);
      case 1:
        return code.op(size, [0xc0 | wide], random.pick([0, 1, 2, 3, 4, 5, 7]), to, { immediate: [random.pick([0, 1, 2, 7, 8, 31, 32, 63])] });
      case 2:
        return code.alu(random.pick(['adc', 'sbb']), size, to, other);
      case 3:
        return code.op(size, [0xf6 | wide], random.pick([3, 3, 4, 5]), to);
      case 4:
        return code.step(size, random.chance(50) ? 0 : 1, to);
      case 5:
        return code.op(word, [0x0f, random.pick([0xa3, 0xab, 0xbb])], this.value(), this.value());
      case 6:
        return code.op(word, [0x0f, 0xaf], this.value(), this.value());
      case 7:
        // CL is 0 half of the time.
        code.aluImmediate('and', 8, 1, random.pick([0, 1, 32, 63]));
        return code.op(size, [0xd2 | wide], random.pick([0, 1, 2, 3, 4, 5, 7]), to);
      default:
        return this.sum();
    }
  }

  protected flagConsumer(depth: number): void {
    const { code, random } = this;
    const condition = random.below(16);
    switch (random.below(7)) {
      case 0:
      case 1:
        return code.op(8, [0x0f, 0x90 | condition], 0, this.byte());
      case 2:
        return code.op(random.pick([16, 32, 64]), [0x0f, 0x40 | condition], this.value(), random.chance(80) ? this.value() : this.memory());
      case 3:
        return code.emit(0x9f);
      case 4:
        code.emit(0x9c);
        return code.pop(this.value());
      case 5:
        return code.alu(random.pick(['adc', 'sbb']), random.pick([16, 32, 64]), this.value(), this.value());
      default:
        return this.branch(depth);
    }
  }

  private branch(depth: number): void {
    const { code, random } = this;
    const [otherwise, end]: [Label, Label] = [{}, {}];
    code.jcc(random.below(16), otherwise);
    this.statement(depth);
    const both = random.chance(30);
    if (both) code.jump(end);
    code.bind(otherwise);
    if (both) this.statement(depth);
    code.bind(end);
  }

  private table(depth: number): void {
    const { code, random } = this;
    const [cases, end]: [Label[], Label] = [[{}, {}, {}, {}], {}];
    code.move(32, 0, this.value());
    code.aluImmediate('and', 32, 0, 3);
    code.emit(0xff, 0x24, 0xc5);
    this.tables.push({ at: code.here, cases });
    code.emit(0, 0, 0, 0);
    for (const one of cases) {
      code.bind(one);
      if (random.chance(70)) this.statement(depth);
      code.jump(end);
    }
    code.bind(end);
  }

  private access(): void {
    const { code, random } = this;
    const size = random.pick(SIZES);
    const pointer = random.pick(POINTERS);
    switch (random.below(10)) {
      case 0:
      case 1:
        return code.load(size, this.value(), this.memory());
      case 2:
        return code.move(size, this.memory(), this.value());
      case 3:
        return random.chance(50)
          ? code.aluLoad(random.pick(ALL), size, this.value(), this.memory())
          : code.alu(random.pick(ALL), size, this.memory(), this.value());
      case 4:
        return this.readAndWrite();
      case 5: {
        code.push(this.value());
        this.overwrite();
        return code.pop(this.value());
      }
      default: {
        // On by a step; without flags most often.
        const place = { base: pointer, displacement: random.pick([0, 0, 0, 4, -8]) };
        if (random.chance(50)) code.load(size, this.value(), place);
        else if (random.chance(70)) code.move(size, place, this.value());
        else code.alu(random.pick(ALL), size, place, this.value());
        if (random.chance(70)) return code.lea(pointer, { base: pointer, displacement: random.pick(STEPS) });
        return code.aluImmediate(random.chance(50) ? 'add' : 'sub', 64, pointer, random.pick(STEPS));
      }
    }
  }

  /** One element of a string, at RSI and RDI, or the time. */
  private apart(): void {
    const { code, random } = this;
    if (random.chance(15)) return code.emit(...random.pick([[0x0f, 0x31], [0x0f, 0x01, 0xf9]])); // prettier-ignore
    const backwards = random.chance(10);
    const size = random.pick(SIZES);
    const prefixes = size === 16 ? [0x66] : size === 64 ? [0x48] : [];
    if (backwards) code.emit(0xfd);
    code.emit(...(random.chance(10) ? [0x67] : []), ...prefixes, random.pick([0xa4, 0xa6, 0xaa, 0xac, 0xae]) | (size === 8 ? 0 : 1));
    if (backwards) code.emit(0xfc);
  }

  /** What changes several things, of which a fault may change none. */
  private readAndWrite(): void {
    const { code, random } = this;
    const place = this.memory();
    const size = random.pick([16, 32, 64] as const);
    switch (random.below(5)) {
      case 0:
        code.op(32, [0xff], 6, place);
        return code.op(32, [0x8f], 0, this.memory());
      case 1:
        return code.op(size, [0x87], this.value(), place);
      case 2:
        return code.op(size, [0x0f, 0xc1], this.value(), place);
      case 3:
        return code.op(size, [0x0f, 0xb1], this.value(), place);
      default:
        return code.op(size, [0xd1], random.pick([0, 1, 2, 3, 4, 5, 7]), place);
    }
  }

  /** An immediate of the instruction behind it, in the code itself. */
  private changeItself(): void {
    const { code, random } = this;
    if (random.chance(70)) return this.access();
    code.emit(0x88, 0x0d, 1, 0, 0, 0); // mov [rip+1], cl
    code.emit(random.pick([0x05, 0x2d, 0x3d]), 1, 0, 0, 0);
  }

  // ── Numbers ──────────────────────────────────────────────────────────────────────────────

  private number(): void {
    const { code, random } = this;
    const [to, from] = [random.below(6), random.below(6)];
    const low: Place = random.chance(20) ? this.memory() : from;
    const [single, double] = [random.pick([0, 0xf3]), random.pick([0x66, 0xf2])];
    const prefix = random.chance(50) ? single : double;
    // Packed memory operands have to be aligned: from registers only.
    const source = prefix === 0 || prefix === 0x66 ? from : low;
    switch (random.below(8)) {
      case 0:
        return code.sse(random.pick([0xf3, 0xf2]), [0x0f, 0x10], to, this.memory());
      case 1:
        return code.sse(random.pick([0xf3, 0xf2]), [0x0f, 0x11], to, this.memory());
      case 2:
        code.sse(random.pick([0, 0x66]), [0x0f, random.pick([0x2e, 0x2f])], to, low);
        if (random.chance(30)) return this.flagConsumer(2);
        return this.branch(2);
      case 3:
        return code.sse(prefix, [0x0f, random.pick([0x51, 0x5d, 0x5f])], to, source);
      case 4:
        return code.sse(0, [0x0f, random.pick([0x28, 0x57, 0x14])], to, from);
      default:
        return code.sse(prefix, [0x0f, random.pick([0x58, 0x59, 0x5c, 0x5e])], to, source);
    }
  }
}
