/** FXSAVE images (SDM volume 1, table 10-2), bytes 0 to 415. */
import { FX_SIZE } from './oracle';

export const FX = { fcw: 0, fsw: 2, ftw: 4, fop: 6, fip: 8, fdp: 16, mxcsr: 24, st: 32, xmm: 160 } as const;

export const DEFAULT_FCW = 0x37f;
export const DEFAULT_MXCSR = 0x1f80;

/** x87 and SSE as after FNINIT and reset: all registers zero, the stack empty, exceptions masked. */
export function defaultFx(): Uint8Array {
  const fx = new Uint8Array(FX_SIZE);
  const view = new DataView(fx.buffer);
  view.setUint16(FX.fcw, DEFAULT_FCW, true);
  view.setUint32(FX.mxcsr, DEFAULT_MXCSR, true);
  return fx;
}
