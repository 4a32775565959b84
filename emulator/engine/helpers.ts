import type { Callable } from '../wasm/function';
import type { ModuleBuilder } from '../wasm/module';
import type { ValueType } from '../wasm/expr';

/** Looks up an export of the helper module as a callable import of the module being built. */
export type Helpers = (name: string) => Callable;

/** Signature of a helper: `i64,i32>i32`. */
export type Signatures = ReadonlyMap<string, { readonly params: readonly ValueType[]; readonly results: readonly ValueType[] }>;

const TYPE_NAMES: Readonly<Record<number, ValueType>> = { 0x7f: 'i32', 0x7e: 'i64', 0x7d: 'f32', 0x7c: 'f64', 0x7b: 'v128' };

/** Reads the signatures of a module's exported functions from its binary (sections 1, 2, 3 and 7). */
export function signaturesOf(binary: Uint8Array): Signatures {
  let at = 8;
  const u32 = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = binary[at++]!;
      value |= (byte & 0x7f) << shift;
      if (!(byte & 0x80)) return value >>> 0;
    }
  };
  const name = () => {
    const length = u32();
    at += length;
    return new TextDecoder().decode(binary.subarray(at - length, at));
  };
  const types: { params: ValueType[]; results: ValueType[] }[] = [];
  const functions: number[] = [];
  const signatures = new Map<string, { params: ValueType[]; results: ValueType[] }>();
  while (at < binary.length) {
    const id = binary[at++]!;
    const size = u32();
    const end = at + size;
    const list = () => Array.from({ length: u32() }, () => TYPE_NAMES[binary[at++]!]!);
    if (id === 1) for (let n = u32(); n > 0; n--) (at++, types.push({ params: list(), results: list() }));
    if (id === 2)
      for (let n = u32(); n > 0; n--) {
        name();
        name();
        const kind = binary[at++]!;
        if (kind === 0) functions.push(u32());
        else if (kind === 2) {
          const flags = binary[at++]!;
          u32();
          if (flags & 1) u32();
        } else throw new TypeError(`import of kind ${kind}`);
      }
    if (id === 3) for (let n = u32(); n > 0; n--) functions.push(u32());
    if (id === 7)
      for (let n = u32(); n > 0; n--) {
        const exported = name();
        const kind = binary[at++]!;
        const index = u32();
        if (kind === 0) signatures.set(exported, types[functions[index]!]!);
      }
    at = end;
  }
  return signatures;
}

/** Declares every helper as an import of `module`. */
export function importHelpers(module: ModuleBuilder, signatures: Signatures): Helpers {
  const helpers = importUsedHelpers(module, signatures);
  for (const name of signatures.keys()) helpers(name);
  return helpers;
}

/** Declares helpers as imports of `module` when they are first used. */
export function importUsedHelpers(module: ModuleBuilder, signatures: Signatures): Helpers {
  const callables = new Map<string, Callable>();
  return (name) => {
    const known = callables.get(name);
    if (known) return known;
    const signature = signatures.get(name);
    if (!signature) throw new ReferenceError(`no helper '${name}'`);
    const callable = module.importFunction('helpers', name, signature.params, signature.results);
    callables.set(name, callable);
    return callable;
  };
}
