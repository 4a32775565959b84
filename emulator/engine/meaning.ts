import { i32 } from '../wasm/expr';
import { raisePending } from '../x86/isa/x87-control';
import type { Form } from '../x86/forms';
import * as layout from '../x86/layout';
import type { Stage } from '../x86/stage';

/** Emits an instruction, with what all of its kind have in common. */
export function emitMeaning(stage: Stage, form: Form): void {
  const { f } = stage;
  f.scope(() => {
    // MMX instructions wait for the x87, and leave TOP at 0 and all tags valid (SDM vol. 1, 9.5.1 and 9.6.3).
    const mmx = form.operands.some((o) => o.kind === 'mmx');
    if (mmx) raisePending(stage);
    form.definition.meaning(stage, ...form.operands);
    if (mmx) {
      const status = i32.load16U(i32.const(layout.FPU_STATUS));
      f.store('i32_16', i32.const(layout.FPU_STATUS), 0, i32.and(status, i32.const(~0x3800)));
      f.store('i32_8', i32.const(layout.FPU_TAGS), 0, i32.const(0xff));
    }
  });
}
