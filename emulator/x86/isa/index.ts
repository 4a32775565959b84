import type { Definition } from '../definition';
import { arithmetic } from './arithmetic';
import { control } from './control';
import { moves } from './move';
import { shifts } from './shift';
import { sse41 } from './sse41';
import { sse42 } from './sse42';
import { sseConversions } from './sse-convert';
import { sseFloats } from './sse-float';
import { sseIntegers } from './sse-integer';
import { sseMoves } from './sse-move';
import { sseShuffles } from './sse-shuffle';
import { systemControl } from './system-control';
import { systemPlatform } from './system-platform';
import { x87Arithmetic } from './x87-arithmetic';
import { x87Control } from './x87-control';
import { x87Moves } from './x87-move';
import { x87Transcendental } from './x87-transcendental';

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
  ...sseFloats,
  ...sseConversions,
  ...sse41,
  ...sse42,
  ...x87Control,
  ...x87Moves,
  ...x87Arithmetic,
  ...x87Transcendental,
];
