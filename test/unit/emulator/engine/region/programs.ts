/** Random programs for the compiler: nested loops over flags, memory and numbers. They need not end. */
import type { Label } from './assembler';
import { COUNTERS, SIZES, Statements } from './statements';

/** A loop of this many bytes is surely within the reach of a short branch. */
const SHORT = 100;

export class ProgramMaker extends Statements {
  make(): Uint8Array {
    const { code, random } = this;
    for (let n = random.below(3); n > 0; n--) this.functions.push({});
    while (this.left > 0)
      if (random.chance(75)) this.loop(0);
      else this.statement(0);
    code.emit(0xf4);
    for (const label of this.functions.splice(0)) {
      code.bind(label);
      this.left = random.between(1, 4);
      while (this.left > 0) this.statement(2);
      code.emit(0xc3);
    }
    for (const { at, cases } of this.tables) {
      code.bytes.splice(at, 4, ...[0, 8, 16, 24].map((shift) => ((code.origin + code.here) >> shift) & 0xff));
      for (const one of cases) code.address(one);
    }
    return code.finish();
  }

  // ── Loops ────────────────────────────────────────────────────────────────────────────────

  private loop(depth: number): void {
    const { code, random } = this;
    const counter = COUNTERS[depth]!;
    code.moveImmediate(random.chance(80) ? counter : this.value(), random.between(2, 14));
    const [start, out]: [Label, Label] = [{}, {}];
    // Entered in the middle, now and then.
    const middle: Label | undefined = random.chance(8) ? {} : undefined;
    if (middle) code.jump(middle);
    // Where a block begins with the loop, it is hot before the loop's others, and becomes its header.
    else if (random.chance(70)) code.jump(start);
    code.bind(start);
    if (random.chance(60)) this.carried(depth);
    for (let n = random.between(0, 4); n > 0; n--) {
      if (depth < 2 && this.left > 4 && random.chance(25)) this.loop(depth + 1);
      else this.statement(depth);
      if (random.chance(6)) this.again(depth, start);
      if (random.chance(5)) code.jcc(random.below(16), out);
    }
    if (middle) code.bind(middle);
    this.again(depth, start);
    code.bind(out);
  }

  /** Back to the loop's start, under some condition. */
  private again(depth: number, start: Label): void {
    const { code, random } = this;
    const counter = COUNTERS[depth]!;
    const short = code.here - start.at! < SHORT;
    switch (random.below(10)) {
      case 0:
      case 1:
        code.step(random.pick([32, 64]), 1, counter);
        return code.jcc(random.pick([5, 5, 15, 13]), start);
      case 2:
        code.aluImmediate('sub', random.pick(SIZES), counter, 1);
        return code.jcc(random.pick([5, 5, 15, 7, 9]), start);
      case 3:
      case 4: {
        const size = random.pick(SIZES);
        code.aluImmediate('add', size, counter, 1);
        if (random.chance(50)) code.aluImmediate('cmp', size, counter, random.between(8, 24));
        else code.alu('cmp', size, counter, this.value());
        return code.jcc(random.pick([5, 2, 6, 12, 14]), start);
      }
      case 5: {
        if (!short) return this.again(depth, start);
        const out = this.guard(counter);
        if (random.chance(70)) this.sum();
        code.loop(random.pick([0xe0, 0xe1, 0xe2, 0xe2]), start);
        return code.bind(out);
      }
      case 6: {
        // The sum's branch leads on, what follows changes its registers, and then the loop begins again.
        const out = this.guard(counter);
        this.sum();
        code.jcc(random.below(16), out);
        if (random.chance(40)) this.statement(depth);
        else this.overwrite();
        code.jump(start);
        return code.bind(out);
      }
      default: {
        const out = this.guard(counter);
        this.sum();
        code.jcc(random.below(16), start);
        return code.bind(out);
      }
    }
  }
  /** So that most loops end. */
  private guard(counter: number): Label {
    const out: Label = {};
    this.code.step(64, 1, counter);
    if (this.random.chance(90)) this.code.jcc(14, out);
    return out;
  }
}
