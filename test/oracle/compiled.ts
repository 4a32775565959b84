/** Our engine with the straight line at the start of each case compiled by the region stage. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { numberHandlers } from '../../emulator/engine/handlers';
import { signaturesOf } from '../../emulator/engine/helpers';
import { BLOCK, compileBlock } from '../../emulator/engine/region-stage';
import { Subject } from './subject';
import * as layout from '../../emulator/x86/layout';
import type { OracleCase } from './oracle';

const TRAP_FLAG = 0x100;

export class CompiledSubject extends Subject {
  private readonly handlers = numberHandlers();
  private readonly signatures = signaturesOf(readFileSync(join(__dirname, '..', '..', 'dist', 'helpers.wasm')));
  /** Instructions that compiled code has completed. */
  completed = 0;

  static override async start(): Promise<CompiledSubject> {
    return new CompiledSubject(await Subject.machine());
  }

  protected override before(one: OracleCase): void {
    const { engine, handlers, signatures } = this;
    const { vcpu, view, exports } = engine;
    if (one.rflags & TRAP_FLAG) return;
    const start = vcpu.rip;
    const code = exports.translateFetch(start) >>> 0;
    view.setUint32(layout.SINGLE, 0, true);
    view.setUint32(layout.EXIT_REASON, 0, true);
    view.setBigUint64(layout.CODE_PAGE, start & ~0xfffn, true);
    const block = code && engine['decode'](start, code);
    if (!block) return;
    const { binary } = compileBlock(view, block, handlers, signatures);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(binary), {
      host: { memory: engine.memory },
      helpers: exports as unknown as WebAssembly.ModuleImports,
    });
    const done = (instance.exports[BLOCK] as () => number)();
    // What is left, and what was left with a fault, is run by the interpreter.
    let length = 0;
    for (let i = 1; i <= done; i++) length += view.getUint16(block + layout.RECORD_SIZE * i + layout.REC_OFFSET, true) >> 12;
    vcpu.rip = start + BigInt(length);
    this.completed += done;
  }
}
