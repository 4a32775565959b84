/** What is used of cborg: its own declarations are not found where tsconfig.json says where its code is. */
declare module 'cborg' {
  interface DecodeOptions {
    readonly useMaps?: boolean;
    readonly strict?: boolean;
    readonly rejectDuplicateMapKeys?: boolean;
    readonly allowIndefinite?: boolean;
    readonly allowUndefined?: boolean;
    readonly allowNaN?: boolean;
    readonly allowInfinity?: boolean;
    readonly allowBigInt?: boolean;
  }
  export function encode(value: unknown): Uint8Array;
  export function decode(bytes: Uint8Array, options?: DecodeOptions): unknown;
}
