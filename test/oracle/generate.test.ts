import assert from 'node:assert/strict';
import { define, parseEncoding, type Encoding } from '../../emulator/x86/definition';
import { instructions } from '../../emulator/x86/isa';
import { changesOf, differences, undefinedAt } from './compare';
import { describeCase, minimize } from './describe';
import { Generator, type GeneratedCase } from './generate';
import { CODE, DATA, DATA_SIZE } from './layout';
import { endOf, Oracle, oracleUnavailable, timedOut } from './oracle';
import { Random } from './random';
import { memoryImage } from './values';
import { judge } from './verdict';

const nothing = () => {};
const encodings = (...texts: string[]): Encoding[] => texts.map((text) => parseEncoding(define(text, [text], nothing), text));
const everything = (): Encoding[] => instructions.flatMap((definition) => definition.encodings.map((text) => parseEncoding(definition, text)));
const ALL_FEATURES = new Set('mmx sse sse2 sse3 ssse3 sse4.1 sse4.2 popcnt cx16 movbe aes pclmulqdq cmov fxsr nopl lzcnt bmi1 bmi2'.split(' '));
const take = (generator: Generator, count: number): GeneratedCase[] => Array.from({ length: count }, () => generator.next());

describe('the generator of cases', () => {
  it('gives the same cases for the same seed, and others for another', () => {
    const list = encodings('01 /r Ev,Gv', '66 0F 6F /r Vx,Wx', 'F7 /6 Ev');
    const cases = (seed: number) => take(new Generator(list, { seed, features: ALL_FEATURES }), 50);
    assert.deepEqual(cases(1), cases(1));
    assert.notDeepEqual(cases(1), cases(2));
  });

  it('uses every addressing mode, prefix and register', () => {
    const generator = new Generator(encodings('01 /r Ev,Gv : lock'), {
      seed: 3,
      features: ALL_FEATURES,
      sequences: 0,
    });
    const text = take(generator, 4000)
      .map((one) => describeCase(one).split('\n')[3] ?? '')
      .join('\n');
    for (const pattern of [
      ...[/add rax,/, /add r15,/, /add r9d,/, /add \w+x?,ax/, /\[rsp/, /\[rbp/, /\[r13[+\]]/, /\[r12/, /\*8[+-]/, /\*2[+\]]/],
      ...[/\[rel /, /\[abs |\[0?x?[0-9a-f]+h?\]/, /\[e\w+/, /\[fs:/, /\[gs:/, /lock /, /\[bx\+si/, /\[di/, /\[si[-+]/],
    ]) {
      assert.match(text, pattern);
    }
  });

  it('refuses what must not be run', () => {
    const refused = (...bytes: number[]) => judge(Uint8Array.from(bytes), 64, BigInt(CODE)).refused;
    assert.equal(refused(0x0f, 0xa2), 'not comparable'); // cpuid
    assert.equal(refused(0x0f, 0x05), 'not comparable'); // syscall
    assert.equal(refused(0x0f, 0x22, 0xc0), 'privileged'); // mov cr0, rax
    assert.equal(refused(0xeb, 0x00), 'a branch');
    assert.equal(refused(0xcd, 0x80), 'a branch');
    assert.equal(refused(0x8e, 0xd8), 'loads a segment');
    assert.equal(refused(0x0f, 0x53, 0xc0), 'approximate'); // rcpps
    assert.equal(refused(0x01, 0xc0), null);
  });

  it('knows undefined flags, and lets nothing read them', () => {
    const generator = new Generator(encodings('F7 /4 Ev', '9C : v', '0F 94 /r Eb', '01 /r Ev,Gv'), {
      ...{ seed: 5, features: ALL_FEATURES, sequences: 100, modes: [64] },
    });
    let masked = 0;
    for (const one of take(generator, 500)) {
      if (one.code.includes(0xf0)) continue; // LOCK makes it invalid
      for (const { encoding, undefinedBefore } of one.instructions) {
        if (encoding.text !== 'F7 /4 Ev' && encoding.text !== '01 /r Ev,Gv') assert.equal(undefinedBefore.rflags & 0x40, 0);
      }
      const last = one.instructions.at(-1)?.encoding.text;
      if (last === 'F7 /4 Ev') assert.equal(one.undefinedAfter.rflags & 0xd4, 0xd4);
      if (last === '01 /r Ev,Gv') assert.equal(one.undefinedAfter.rflags, 0);
      masked += one.undefinedAfter.rflags ? 1 : 0;
      assert.equal(undefinedAt(one, BigInt(CODE + one.codeOffset)).rflags, 0);
    }
    assert.ok(masked > 20);
  });

  it('makes every instruction of the table that it can, and iced agrees on the length', () => {
    const table = everything();
    const generator = new Generator(table, { seed: 7, features: ALL_FEATURES, sequences: 0 });
    take(generator, 20 * table.length);
    const mistakes = [...generator.refused].filter(([, reasons]) => [...reasons.keys()].some((reason) => reason.startsWith('length') || reason === 'invalid'));
    assert.deepEqual(mistakes, []);
    assert.ok(generator.made.size > 0.8 * new Set(generator.candidates(64).map(({ text }) => text)).size);
  });

  it('prints a reproducer and makes it small', async () => {
    const generator = new Generator(encodings('01 /r Ev,Gv', '31 /r Ev,Gv', 'F7 /4 Ev'), {
      ...{ seed: 11, features: ALL_FEATURES, sequences: 100, modes: [64] },
    });
    const one = take(generator, 50).find(({ instructions: list }) => list.length > 2 && list.some(({ encoding }) => encoding.text === 'F7 /4 Ev'));
    assert.ok(one);
    const smaller = await minimize(one, async ({ instructions: list }) => list.some(({ encoding }) => encoding.text === 'F7 /4 Ev'));
    assert.equal(smaller.instructions.length, 1);
    const text = describeCase(smaller);
    assert.match(text, /bits 64/);
    assert.match(text, /^ {4}mul /m);
    assert.match(text, /; rax 0x[0-9a-f]{16}/);
  });

  it('finds changed memory by words', () => {
    const before = new Uint8Array(DATA_SIZE);
    const after = before.slice();
    after[17] = 1;
    after[24] = 2;
    const [only, ...rest] = changesOf(DATA, before, after);
    assert.deepEqual([only?.address, only?.bytes.length, rest.length], [DATA + 16, 16, 0]);
  });

  describe('under the processor', function () {
    let oracle: Oracle;
    before(async function () {
      if (oracleUnavailable()) this.skip();
      oracle = await Oracle.start();
      const { data, stack } = memoryImage(new Random(1));
      oracle.setMemory(data, stack);
    });
    after(() => oracle?.stop());

    it('runs to the end mostly, faults sometimes, and always the same way', async () => {
      const list = everything();
      const generator = new Generator(list, { seed: 13, ...oracle.limits });
      const cases = take(generator, 20_000);
      const first = await oracle.run(cases);
      const second = await oracle.run(cases);
      const traps = new Map<number, number>();
      let finished = 0;
      cases.forEach((one, index) => {
        const [a, b] = [first[index]!, second[index]!];
        if (timedOut(a) || timedOut(b)) return;
        assert.deepEqual(differences(one, a, b), [], describeCase(one));
        if (a.trap === 3 && a.rip === endOf(one)) finished++;
        else traps.set(a.trap, (traps.get(a.trap) ?? 0) + 1);
      });
      console.log(`        ${finished} of ${cases.length} finished; traps`, Object.fromEntries(traps));
      assert.ok(finished > 0.7 * cases.length);
      for (const trap of [0, 6, 13, 14]) assert.ok((traps.get(trap) ?? 0) > 5, `trap ${trap}`);
    }).timeout(30_000);

    it('finds a difference where there is one', async () => {
      const generator = new Generator(encodings('01 /r Ev,Gv'), {
        seed: 17,
        features: oracle.features,
        sequences: 0,
      });
      const one = generator.next();
      const [result] = await oracle.run([one]);
      assert.ok(result);
      const registers = result.registers.slice();
      registers[9] = registers[9]! ^ 1n;
      const { signal, trap, errorCode, cr2, rip, rflags, selectors, fx, changes } = result;
      const wrong = {
        signal,
        trap,
        errorCode,
        cr2,
        rip,
        rflags: rflags ^ 1,
        selectors,
        fx,
        changes,
        registers,
      };
      const words = differences({ ...one, mode: 64 }, result, wrong).join('\n');
      assert.match(words, /r9: processor 0x/);
      assert.match(words, /rflags/);
    });
  });
});
