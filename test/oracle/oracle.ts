/** Client of native/oracle.c, which runs code on this machine's own processor. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { CODE, CODE_MAX, DATA, DATA_SIZE, PAGE, STACK, STACK_SIZE } from './layout';
import { hostFeatures, throttlesSplitLocks, type CpuidLeaf } from './hostcpu';

/** Bytes at an address in DATA or STACK. */
export interface MemoryPiece {
  readonly address: number;
  readonly bytes: Uint8Array;
}

export interface OracleCase {
  readonly mode: 32 | 64;
  /** Without the int3 at its end. */
  readonly code: Uint8Array;
  /** Offset in the code page; code that ends with the page runs into unmapped memory. */
  readonly codeOffset: number;
  /** rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 */
  readonly registers: BigUint64Array;
  /** CF PF AF ZF SF TF DF OF AC take effect; IF is always set. */
  readonly rflags: number;
  /** 64-bit mode only. */
  readonly fsBase: bigint;
  readonly gsBase: bigint;
  /** FXSAVE image, bytes 0–415. */
  readonly fx: Uint8Array;
  /** What memory holds beside the image given to `setMemory`. */
  readonly patches: readonly MemoryPiece[];
}

export interface OracleResult {
  readonly signal: number;
  /** Vector of the exception that ended the case: 3 for the int3 at its end. */
  readonly trap: number;
  readonly errorCode: number;
  /** Of a page fault; of others what an earlier one left. */
  readonly cr2: bigint;
  readonly rip: bigint;
  readonly rflags: number;
  readonly registers: BigUint64Array;
  readonly selectors: { readonly cs: number; ss: number; ds: number; es: number; fs: number; gs: number };
  readonly fx: Uint8Array;
  /** What memory holds that it didn't hold before, in whole 8 bytes. */
  readonly changes: readonly MemoryPiece[];
}

export const SIGPROF = 27;
export const timedOut = (result: OracleResult): boolean => result.signal === SIGPROF;

export const FX_SIZE = 416;
const REQUEST_SIZE = 16;
const CASE_SIZE = 640;
const RESULT_SIZE = 600;
const MEMORY = 1;
const CASES = 2;
/** Cases of one message. */
const BATCH = 1024;

const REPOSITORY = join(__dirname, '..', '..');
const SOURCE = join(REPOSITORY, 'test/oracle/native/oracle.c');
const CACHE = join(REPOSITORY, '.cache', 'oracle');

/** Why there can be no oracle here, or null. */
export function oracleUnavailable(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `the processor is the oracle on x86-64 Linux only; this is ${process.arch} ${process.platform}`;
  }
  if (spawnSync('gcc', ['--version']).status !== 0) return 'gcc is needed to build the oracle';
  return null;
}

/** The compiled program, built again when its source has changed. */
function build(): string {
  const name = `oracle-${createHash('sha256').update(readFileSync(SOURCE)).digest('hex').slice(0, 16)}`;
  const program = join(CACHE, name);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  // No code of ours may touch thread-local storage while a case's FS base is loaded.
  const options = ['-O2', '-Wall', '-Wextra', '-fPIE', '-pie', '-fno-stack-protector', '-fcf-protection=none'];
  const gcc = spawnSync('gcc', [...options, '-o', fresh, SOURCE], { encoding: 'utf8' });
  if (gcc.status !== 0) throw new Error(`gcc can't build ${SOURCE}:\n${gcc.stderr}`);
  renameSync(fresh, program);
  return program;
}

/** Reads exact lengths from a stream, in order. */
class Receiver {
  private chunks: Buffer[] = [];
  private length = 0;
  private waiting: { length: number; resolve(bytes: Buffer): void; reject(error: Error): void } | undefined;
  private failure: Error | undefined;

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.length += chunk.length;
      this.deliver();
    });
  }

  fail(error: Error): void {
    this.failure = error;
    this.waiting?.reject(error);
    this.waiting = undefined;
  }

  read(length: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      this.waiting = { length, resolve, reject };
      this.deliver();
    });
  }

  private deliver(): void {
    const { waiting } = this;
    if (!waiting || this.length < waiting.length) return;
    this.waiting = undefined;
    const all = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    const rest = all.subarray(waiting.length);
    this.chunks = rest.length > 0 ? [rest] : [];
    this.length = rest.length;
    // A copy of its own, so that views of 8-byte words are aligned.
    const bytes = Buffer.from(new ArrayBuffer(waiting.length));
    all.copy(bytes, 0, 0, waiting.length);
    waiting.resolve(bytes);
  }
}

export class Oracle {
  readonly cpuid: CpuidLeaf[] = [];
  mxcsrMask = 0;
  private readonly receiver: Receiver;
  private readonly input: Writable;

  private constructor(private readonly child: ChildProcess) {
    if (!child.stdin || !child.stdout || !child.stderr) throw new Error('the oracle has no pipes');
    this.input = child.stdin;
    this.receiver = new Receiver(child.stdout);
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
    child.on('error', (error) => this.receiver.fail(error));
    child.on('close', (code, signal) => this.receiver.fail(new Error(`the oracle ended (${signal ?? `status ${code}`}) ${complaint}`)));
    child.stdin.on('error', () => {}); // told by 'close'
  }

  /** Builds and starts the program. Check `oracleUnavailable` first. */
  static async start(): Promise<Oracle> {
    const oracle = new Oracle(spawn(build(), { stdio: ['pipe', 'pipe', 'pipe'] }));
    const hello = await oracle.receiver.read(16);
    if (hello.toString('latin1', 0, 7) !== 'ORACLE1') throw new Error('the oracle speaks another protocol');
    oracle.mxcsrMask = hello.readUInt32LE(12);
    const leaves = await oracle.receiver.read(24 * hello.readUInt32LE(8));
    for (let at = 0; at < leaves.length; at += 24) {
      const [leaf, subleaf, eax, ebx, ecx, edx] = new Uint32Array(leaves.buffer, leaves.byteOffset + at, 6);
      oracle.cpuid.push({ leaf: leaf!, subleaf: subleaf!, eax: eax!, ebx: ebx!, ecx: ecx!, edx: edx! });
    }
    return oracle;
  }

  /** Names of what this processor can do, for `Definition.feature`. */
  get features(): ReadonlySet<string> {
    return hostFeatures(this.cpuid);
  }

  /** What the generator has to know of this processor. */
  get limits(): { readonly features: ReadonlySet<string>; readonly noSplitLocks: boolean } {
    return { features: this.features, noSplitLocks: throttlesSplitLocks(this.cpuid) };
  }

  stop(): void {
    this.input.end();
    this.child.kill();
  }

  /** What DATA and STACK hold before each case from now on. */
  setMemory(data: Uint8Array, stack: Uint8Array): void {
    if (data.length !== DATA_SIZE || stack.length !== STACK_SIZE) throw new RangeError('memory image');
    this.send(MEMORY, 0, Buffer.concat([data, stack]));
  }

  /** Runs cases in order; about 6 µs each. */
  async run(cases: readonly OracleCase[]): Promise<OracleResult[]> {
    const results: OracleResult[] = [];
    const send = (from: number): void => {
      const batch = cases.slice(from, from + BATCH);
      if (batch.length > 0) this.send(CASES, batch.length, encode(batch));
    };
    send(0);
    for (let from = 0; from < cases.length; from += BATCH) {
      send(from + BATCH); // the processor runs the next batch while this one's results are decoded
      const header = await this.receiver.read(REQUEST_SIZE);
      decode(await this.receiver.read(header.readUInt32LE(8)), results);
    }
    return results;
  }

  private send(kind: number, count: number, body: Uint8Array): void {
    const header = Buffer.alloc(REQUEST_SIZE);
    header.writeUInt32LE(kind, 0);
    header.writeUInt32LE(count, 4);
    header.writeUInt32LE(body.length, 8);
    this.input.write(header);
    this.input.write(body);
  }
}

const padded = (length: number): number => (length + 7) & ~7;

function encode(cases: readonly OracleCase[]): Uint8Array {
  const patchSize = (one: OracleCase): number => one.patches.reduce((sum, { bytes }) => sum + 8 + padded(bytes.length), 0);
  const bytes = new Uint8Array(cases.reduce((sum, one) => sum + CASE_SIZE + patchSize(one), 0));
  const words = new BigUint64Array(bytes.buffer);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const one of cases) {
    checkCase(one);
    const ends = one.codeOffset + one.code.length < PAGE; // there is room for the int3
    bytes[at] = one.mode;
    bytes[at + 1] = one.code.length + (ends ? 1 : 0);
    view.setUint16(at + 2, one.codeOffset, true);
    view.setUint32(at + 4, patchSize(one), true);
    words.set(one.registers, at / 8 + 1);
    view.setUint32(at + 136, one.rflags, true);
    words[at / 8 + 18] = one.fsBase;
    words[at / 8 + 19] = one.gsBase;
    bytes.set(one.code, at + 160);
    if (ends) bytes[at + 160 + one.code.length] = 0xcc;
    bytes.set(one.fx, at + 160 + CODE_MAX);
    at += CASE_SIZE;
    for (const piece of one.patches) {
      view.setUint32(at, piece.address, true);
      view.setUint32(at + 4, piece.bytes.length, true);
      bytes.set(piece.bytes, at + 8);
      at += 8 + padded(piece.bytes.length);
    }
  }
  return bytes;
}

/** The native program trusts its input. */
function checkCase({ code, codeOffset, registers, fx, patches }: OracleCase): void {
  if (code.length >= CODE_MAX || codeOffset < 0 || codeOffset + code.length > PAGE) throw new RangeError('case: code');
  if (registers.length !== 16) throw new RangeError('case: registers');
  if (fx.length !== FX_SIZE) throw new RangeError('case: FXSAVE image');
  for (const { address, bytes } of patches) {
    const inside = (base: number, size: number): boolean => address >= base && address + bytes.length <= base + size;
    if (!inside(DATA, DATA_SIZE) && !inside(STACK, STACK_SIZE)) throw new RangeError('case: patch');
  }
}

function decode(body: Buffer, results: OracleResult[]): void {
  for (let at = 0; at < body.length;) {
    const result = new NativeResult(body, at);
    results.push(result);
    at = result.end;
  }
}

/** A struct test_result with its changes, read when asked. */
class NativeResult implements OracleResult {
  readonly end: number;

  constructor(
    private readonly body: Buffer,
    private readonly at: number,
  ) {
    this.end = at + RESULT_SIZE + body.readUInt32LE(at + 20);
  }

  get signal(): number {
    return this.body[this.at]!;
  }

  get trap(): number {
    return this.body[this.at + 1]!;
  }

  get selectors(): OracleResult['selectors'] {
    const selector = (index: number): number => this.body.readUInt16LE(this.at + 2 + 2 * index);
    return {
      cs: selector(0),
      ss: selector(1),
      ds: selector(2),
      es: selector(3),
      fs: selector(4),
      gs: selector(5),
    };
  }

  get errorCode(): number {
    return this.body.readUInt32LE(this.at + 16);
  }

  get cr2(): bigint {
    return this.body.readBigUInt64LE(this.at + 32);
  }

  get rip(): bigint {
    return this.body.readBigUInt64LE(this.at + 40);
  }

  get rflags(): number {
    return this.body.readUInt32LE(this.at + 48);
  }

  get registers(): BigUint64Array {
    return new BigUint64Array(this.body.buffer, this.body.byteOffset + this.at + 56, 16);
  }

  get fx(): Uint8Array {
    return this.body.subarray(this.at + 184, this.at + RESULT_SIZE);
  }

  get changes(): MemoryPiece[] {
    const changes: MemoryPiece[] = [];
    for (let piece = this.at + RESULT_SIZE; piece < this.end;) {
      const length = this.body.readUInt32LE(piece + 4);
      changes.push({
        address: this.body.readUInt32LE(piece),
        bytes: this.body.subarray(piece + 8, piece + 8 + length),
      });
      piece += 8 + length;
    }
    return changes;
  }
}

/** Where the int3 that ends a case has left RIP. */
export const endOf = (one: OracleCase): bigint => BigInt(CODE + one.codeOffset + one.code.length + 1);
