// The time-stamp counter.
import { MSR_TSC_OFFSET } from '../../x86/layout';

/** Of the machine, at this instruction. */
@external("host", "timestamp")
declare function hostTimestamp(): f64;

/** Of this vCPU. */
export function timestamp(): u64 {
  return (hostTimestamp() as u64) + load<u64>(MSR_TSC_OFFSET);
}
