import type { Definition } from '../definition';
import { arithmetic } from './arithmetic';
import { control } from './control';
import { moves } from './move';
import { shifts } from './shift';
import { systemControl } from './system-control';
import { systemPlatform } from './system-platform';
import { x87Setup } from './x87-setup';

/** Every instruction. */
export const instructions: readonly Definition[] = [...moves, ...arithmetic, ...shifts, ...control, ...systemControl, ...systemPlatform, ...x87Setup];
