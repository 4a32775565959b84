import * as layout from '../x86/layout';
import { signaturesOf, type Signatures } from './helpers';
import { Stopped } from './interpreter';

/** Exports of the AssemblyScript helpers that the engine calls itself. */
export interface HelperExports {
  initialise(): void;
  flush(): void;
  /** Pages that a reader has not taken since they were written, the last included, to PAGE_LIST, which may be full before. */
  listWritten(reader: number, first: number, last: number, look: number): number;
  nextGeneration(): void;
  /** CR3 has changed from `old`. */
  spaceChanged(old: bigint): void;
  /** Delivers an interrupt, or does nothing and gives 0. */
  quickInterrupt(vector: number): number;
  translateFetch(linear: bigint): number;
  readAs(linear: bigint, size: number, access: number): number;
  writeAs(linear: bigint, value: bigint, size: number, access: number): number;
  probeAs(linear: bigint, size: number, access: number): number;
  dropCode(page: number): void;
  /** Bytes of one page. */
  dropRange(host: number, size: number): void;
  prepareWrite(host: number, size: number, from: number): void;
  hostOf(physical: bigint): number;
  lookup(host: number, mode: number): number;
  /** Decodes one instruction into a record: 0, or why there is none (assembly/decode.ts). */
  decode(start: number, limit: number, mode: number, record: number, offset: number, number: number): number;
  probeFetch(linear: bigint): number;
  canonical(linear: bigint): number;
}

/** What generated code and helpers call. */
export interface EngineImports {
  mmioRead(physical: number, size: number): number;
  mmioWrite(physical: number, size: number, value: number): void;
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
  portDenied(port: number, size: number): number;
  watch(index: number, address: bigint, size: number, write: number): void;
  /** Whether execution is to stop before the instruction there. */
  marked(linear: bigint): number;
  dropBlocks(): void;
  /** There is room for no more pages at KEPT_LIST. */
  kept(): void;
  /** A page whose contents are awaited is about to be looked at: they are brought. */
  awaited(page: number): void;
  instruction(index: number, record: number): number;
  interruptible(): void;
  exception(vector: number, hasCode: number, code: number): void;
  hot(block: number): number;
  prepareRegion(slot: number, entry: number): number;
  dropRegions(host: number, size: number): void;
}

export interface EngineBinaries {
  readonly helpers: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
  /** Of the helpers: compiled code calls them too. */
  readonly signatures: Signatures;
}

export async function compileBinaries(helpers: Uint8Array<ArrayBuffer>, interpreter: Uint8Array<ArrayBuffer>): Promise<EngineBinaries> {
  const [compiledHelpers, compiledInterpreter] = await Promise.all([WebAssembly.compile(helpers), WebAssembly.compile(interpreter)]);
  return { helpers: compiledHelpers, interpreter: compiledInterpreter, signatures: signaturesOf(helpers) };
}

/** Access bits of the helpers (assembly/paging.ts). */
export const ACCESS_WRITE = 2;
export const ACCESS_USER = 4;
export const ACCESS_IMPLICIT = 256;
export const ACCESS_EXPLICIT = 512;

export interface LinkedModules {
  readonly helpers: HelperExports;
  run(): Stopped;
  /** Handlers of the interpreter, and after them compiled code. */
  readonly table: WebAssembly.Table;
}

/** Instantiates both modules over one memory. */
export async function link(binaries: EngineBinaries, memory: WebAssembly.Memory, imports: EngineImports): Promise<LinkedModules> {
  const host: WebAssembly.ModuleImports = { memory, ...imports };
  const env: WebAssembly.ModuleImports = {
    memory,
    abort: () => {
      throw new Error('a helper aborted');
    },
  };
  const helpers = await WebAssembly.instantiate(binaries.helpers, { host, env });
  const interpreter = await WebAssembly.instantiate(binaries.interpreter, { host, helpers: helpers.exports });
  return {
    helpers: helpers.exports as unknown as HelperExports,
    run: interpreter.exports['run'] as () => Stopped,
    table: interpreter.exports['table'] as WebAssembly.Table,
  };
}

/** Memory for a machine: engine structures, RAM, then the backings. */
export function allocate(ramBytes: number, backingBytes: number): WebAssembly.Memory {
  const pages = Math.ceil((layout.RAM + ramBytes + backingBytes) / 0x10000);
  return new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
}
