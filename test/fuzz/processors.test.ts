import { CONFIG, TICKS } from '../unit/emulator/machine/guests';
import { COMMON, fuzz } from './fuzz';

fuzz('two processors', (file) => ({
  ...CONFIG,
  ...COMMON,
  cpus: 2,
  framebuffer: { width: 640, height: 480 },
  kernel: file('ticks', TICKS.kernel!.bytes),
}));
