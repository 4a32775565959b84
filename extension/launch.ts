/** Launch configurations made for an image. Knows nothing of VS Code. */
import { basename, dirname } from 'node:path';
import { companions, type Image } from './images';

export const DEBUG_TYPE = 'guest';

/** What samples were compiled as (scripts/samples.ts). */
const COMPILED_SAMPLES = '/guest-debug/samples';

export interface LaunchConfiguration {
  readonly name: string;
  readonly type: typeof DEBUG_TYPE;
  readonly request: 'launch';
  readonly program: string;
  readonly [attribute: string]: unknown;
}

/** A configuration that boots the image, with what lies beside it. */
export function configurationFor(image: Image): LaunchConfiguration {
  const { initrd, symbols } = companions(image);
  return {
    name: `Boot ${basename(image.path)}`,
    type: DEBUG_TYPE,
    request: 'launch',
    program: image.path,
    ...(initrd !== undefined && { initrd }),
    // Without KASLR the addresses of System.map are those of the running kernel.
    ...(image.kind === 'linux' && { append: 'console=ttyS0 nokaslr' }),
    ...(symbols.length > 0 && { symbols }),
  };
}

/** The sample that comes with the extension. */
export function sampleConfiguration(image: string): LaunchConfiguration {
  return {
    ...configurationFor({ path: image, kind: 'pvh' }),
    name: 'Sample: hello',
    memory: '64M',
    sourceMap: { [COMPILED_SAMPLES]: dirname(dirname(image)) },
  };
}
