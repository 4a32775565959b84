import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '..');
const bundle = process.env['GUEST_BUNDLE'] ?? join(root, 'dist/guest.js');

/** Arguments for Node that start `guest`: the bundle where there is one, since the sources under a loader are several times slower. */
export const command: readonly string[] = existsSync(bundle) ? [bundle] : ['--import', 'tsx', join(root, 'emulator/cli/main.ts')];
