import type { Definition } from '../definition';
import { arithmetic } from './arithmetic';
import { control } from './control';
import { moves } from './move';
import { shifts } from './shift';
import { sseIntegers } from './sse-integer';
import { sseMoves } from './sse-move';
import { sseShuffles } from './sse-shuffle';
import { systemControl } from './system-control';
import { systemPlatform } from './system-platform';
import { x87Control } from './x87-control';

/** Every instruction. */
export const instructions: readonly Definition[] = [
  ...moves,
  ...arithmetic,
  ...shifts,
  ...control,
  ...systemControl,
  ...systemPlatform,
  ...sseMoves,
  ...sseShuffles,
  ...sseIntegers,
  ...x87Control,
];
