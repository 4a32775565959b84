import { signed32, Sink } from './sink';
import { valueTypeCode, type ValueType } from './expr';
import { FunctionBuilder, type Callable } from './function';

interface Import {
  readonly module: string;
  readonly name: string;
  readonly write: (sink: Sink) => void;
}

/** Builds a module: imports first, then functions, one optional table, exports. */
export class ModuleBuilder {
  private readonly types: string[] = [];
  private readonly typeSinks: Sink[] = [];
  private readonly imports: Import[] = [];
  private importedFunctions = 0;
  private readonly functions: { type: number; name: string; builder: FunctionBuilder }[] = [];
  private readonly exports: { name: string; callee: Callable | undefined }[] = [];
  /** Somebody has used the index of a function: from now on no import may shift it. */
  private settled = false;
  private tableElements: readonly Callable[] | undefined;
  private readonly customs: { name: string; bytes: Uint8Array }[] = [];
  private readonly data: { address: number; bytes: Uint8Array }[] = [];

  /** Index of the function type, for `call_indirect`. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.types.indexOf(key);
    if (known >= 0) return known;
    const sink = new Sink();
    sink.byte(0x60);
    sink.vector(params, (p) => sink.byte(valueTypeCode[p]));
    sink.vector(results, (r) => sink.byte(valueTypeCode[r]));
    this.typeSinks.push(sink);
    return this.types.push(key) - 1;
  }

  importMemory(module: string, name: string, pages: { min: number; max: number; shared: boolean }): void {
    this.imports.push({
      module,
      name,
      write: (s) => {
        s.bytes([0x02, pages.shared ? 0x03 : 0x01]);
        s.u32(pages.min);
        s.u32(pages.max);
      },
    });
  }

  importFunction(module: string, name: string, params: readonly ValueType[], results: readonly ValueType[]): Callable {
    if (this.settled) throw new RangeError('imports come before calls of functions');
    const type = this.type(params, results);
    this.imports.push({ module, name, write: (s) => (s.byte(0x00), s.u32(type)) });
    return { index: this.importedFunctions++, params, results };
  }

  /** Adds a function; its body is built at once. */
  function(name: string, params: readonly ValueType[], results: readonly ValueType[], build: (f: FunctionBuilder) => void): Callable {
    const builder = new FunctionBuilder(params, results);
    const position = this.functions.length;
    const indexOf = () => {
      this.settled = true;
      return this.importedFunctions + position;
    };
    this.functions.push({ type: this.type(params, results), name, builder });
    build(builder);
    return {
      get index() {
        return indexOf();
      },
      params,
      results,
    };
  }

  export(name: string, callee: Callable): void {
    this.exports.push({ name, callee });
  }

  /** The module's only table, filled from index 0. */
  table(elements: readonly Callable[]): void {
    this.tableElements = elements;
  }

  /** Bytes that are put into memory when the module is instantiated. */
  memoryData(address: number, bytes: Uint8Array): void {
    this.data.push({ address, bytes });
  }

  /** A custom section: bytes for whoever loads the module. */
  custom(name: string, bytes: Uint8Array): void {
    this.customs.push({ name, bytes });
  }

  exportTable(name: string): void {
    this.exports.push({ name, callee: undefined });
  }

  finish(): Uint8Array<ArrayBuffer> {
    const out = new Sink();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    const section = (id: number, write: (s: Sink) => void) => {
      const content = new Sink();
      write(content);
      out.byte(id);
      out.sized(content);
    };
    section(1, (s) => s.vector(this.typeSinks, (t) => s.bytes(t.view())));
    section(2, (s) =>
      s.vector(this.imports, (i) => {
        s.name(i.module);
        s.name(i.name);
        i.write(s);
      }),
    );
    section(3, (s) => s.vector(this.functions, (f) => s.u32(f.type)));
    const elements = this.tableElements;
    if (elements)
      section(4, (s) => {
        s.bytes([1, 0x70, 0x00]);
        s.u32(elements.length);
      });
    section(7, (s) =>
      s.vector(this.exports, (e) => {
        s.name(e.name);
        s.byte(e.callee ? 0 : 1);
        s.u32(e.callee?.index ?? 0);
      }),
    );
    if (elements)
      section(9, (s) => {
        s.bytes([1, 0x00, 0x41, 0x00, 0x0b]);
        s.vector(elements, (e) => s.u32(e.index));
      });
    const bodies = this.functions.map(({ builder }) => builder.finish());
    if (bodies.some(({ unlikely }) => unlikely.length > 0))
      section(0, (s) =>
        this.branchHints(
          s,
          bodies.map(({ unlikely }) => unlikely),
        ),
      );
    section(10, (s) => s.vector(bodies, ({ code }) => s.sized(code)));
    if (this.data.length)
      section(11, (s) =>
        s.vector(this.data, ({ address, bytes }) => {
          s.bytes([0x00, 0x41]);
          s.bytes(signed32([], address));
          s.byte(0x0b);
          s.u32(bytes.length);
          s.bytes(bytes);
        }),
      );
    section(0, (s) => this.names(s));
    for (const { name, bytes } of this.customs)
      section(0, (s) => {
        s.name(name);
        s.bytes(bytes);
      });
    return out.view().slice();
  }

  /** Custom section "metadata.code.branch_hint" (the branch hinting proposal): hosts that don't know it go on without. */
  private branchHints(sink: Sink, unlikely: readonly (readonly number[])[]): void {
    sink.name('metadata.code.branch_hint');
    const hinted = unlikely.map((places, index) => ({ places, index })).filter(({ places }) => places.length > 0);
    sink.vector(hinted, ({ places, index }) => {
      sink.u32(this.importedFunctions + index);
      sink.vector(places, (at) => {
        sink.u32(at);
        sink.bytes([1, 0]);
      });
    });
  }

  /** Custom section "name", so that profilers show handlers by name. */
  private names(sink: Sink): void {
    sink.name('name');
    const functions = new Sink();
    let index = 0;
    functions.vector(this.functions, (f) => {
      functions.u32(this.importedFunctions + index++);
      functions.name(f.name);
    });
    sink.byte(1);
    sink.sized(functions);
  }
}
