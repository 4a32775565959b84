// The time-stamp counter.
import { BUDGET, MSR_TSC_OFFSET, SLICE_END, TIME_OFFSET, TIME_STEP } from '../../x86/layout';

/** Of this vCPU, after the block that runs: one that reads it ends with that. */
export function timestamp(): u64 {
  const count = load<f64>(SLICE_END) - (load<i32>(BUDGET) as f64);
  return ((count * load<f64>(TIME_STEP) + load<f64>(TIME_OFFSET)) as u64) + load<u64>(MSR_TSC_OFFSET);
}
