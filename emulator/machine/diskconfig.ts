/** Disks as people write them: in launch configurations and on the command line. */
import { DISK_BUSES, type DiskConfig } from './api';

const KINDS = ['disk', 'cdrom'] as const;
const FORMATS = ['raw', 'qcow2'] as const;
export const DISK_KEYS = ['path', 'kind', 'bus', 'overlay', 'readOnly', 'format', 'serial'] as const satisfies readonly (keyof DiskConfig)[];

/** Throws an error that names what is wrong. */
export type Refuse = (problem: string) => never;

/** A path, or an object with the properties of `DiskConfig`; `path` resolves file names. */
export function diskConfig(value: unknown, path: (file: string) => string, refuse: Refuse): DiskConfig {
  if (typeof value === 'string') return value === '' ? refuse('the path is empty') : { path: path(value) };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse(`${JSON.stringify(value)} is neither a path nor an object with a path`);
  const given = new Map(Object.entries(value).filter(([, part]) => part !== undefined));
  for (const key of given.keys()) if (!(DISK_KEYS as readonly string[]).includes(key)) refuse(`'${key}' is unknown there; known are ${DISK_KEYS.join(', ')}`);
  const text = (key: string): string | undefined => {
    const part: unknown = given.get(key);
    return part === undefined || typeof part === 'string' ? part : refuse(`${key}: ${JSON.stringify(part)} is no string`);
  };
  const word = <Word extends string>(key: string, words: readonly Word[]): Word | undefined => {
    const part = text(key);
    return part === undefined ? undefined : (words.find((each) => each === part) ?? refuse(`${key}: '${part}' is none of ${words.join(', ')}`));
  };
  const file = text('path');
  if (!file) return refuse('there is no path');
  const [kind, bus, format, overlay, serial] = [word('kind', KINDS), word('bus', DISK_BUSES), word('format', FORMATS), text('overlay'), text('serial')];
  const readOnly: unknown = given.get('readOnly');
  if (readOnly !== undefined && typeof readOnly !== 'boolean') return refuse(`readOnly: ${JSON.stringify(readOnly)} is neither true nor false`);
  return {
    path: path(file),
    ...(kind && { kind }),
    ...(bus && { bus }),
    ...(overlay !== undefined && { overlay: path(overlay) }),
    ...(readOnly !== undefined && { readOnly }),
    ...(format && { format }),
    ...(serial !== undefined && { serial }),
  };
}
