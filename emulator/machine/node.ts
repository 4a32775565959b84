/** What Node gives the machine: files, compiled binaries, and a clock for slices. */
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { internalError, userError } from '../errors';
import { compileBinaries, type EngineBinaries } from '../engine/wasm-module';
import type { NamedFile } from '../firmware/plan';
import { replaceFile } from '../storage/replace';
import type { MachineConfig } from './api';
import type { Images } from './images';
import type { Pace } from './pace';
import { parseTrace, type Trace } from './trace';

/** What the environment asks to be traced, to standard error. Throws EmulatorError with blame `user`. */
export function environmentTrace(): Trace | undefined {
  const kinds = parseTrace(process.env['GUEST_TRACE']);
  return kinds && { kinds, write: (line) => void writeSync(2, `trace: ${line}\n`) };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'it may not be read',
  EISDIR: 'it is a folder',
};

function file(what: string, name: string): NamedFile {
  try {
    return { name, bytes: readFileSync(name) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw userError('file', `${what} '${name}': ${REASONS[code ?? ''] ?? message}`, error);
  }
}

const FILES = ['kernel', 'initrd', 'firmware', 'vars', 'bios', 'vgaBios'] as const;
/** What messages call them, where that isn't the attribute's name. */
const WORDS: Readonly<Partial<Record<(typeof FILES)[number], string>>> = { vars: 'variable store', bios: 'BIOS', vgaBios: 'VGA BIOS' };

/** Reads the files that a configuration names. Throws EmulatorError with blame `user`. */
export async function readImages(config: MachineConfig): Promise<Images> {
  const named = (key: (typeof FILES)[number]): Partial<Images> => {
    const path = config[key];
    return path === undefined ? {} : { [key]: file(WORDS[key] ?? key, path) };
  };
  const modules = (config.modules ?? []).map(module);
  return { ...Object.assign({}, ...FILES.map(named)), ...(modules.length > 0 && { modules }) } as Images;
}

/** A path, and after a space the module's command line. */
function module(text: string): NamedFile & { commandLine?: string } {
  const space = text.indexOf(' ');
  if (space < 0 || existsSync(text)) return file('module', text);
  return { ...file('module', text.slice(0, space)), commandLine: text.slice(space + 1) };
}

/** The file is there whole, as it was or as it is to be. */
export async function writeVars(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await replaceFile(path, [bytes], 0o666);
  } catch (error) {
    throw userError('vars-write', `variable store '${path}' can not be written: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

const HELPERS = 'helpers.wasm';
const INTERPRETER = 'engine.wasm';
/** Beside the bundled program, or where the build puts them. */
const FOLDERS = [__dirname, join(__dirname, '../../dist')];

export async function readBinaries(folders: readonly string[] = FOLDERS): Promise<EngineBinaries> {
  const folder = folders.find((candidate) => existsSync(join(candidate, INTERPRETER)));
  if (folder === undefined) throw internalError('no-engine', `${INTERPRETER} is missing; 'npm run build' makes it`);
  return compileBinaries(readFileSync(join(folder, HELPERS)), readFileSync(join(folder, INTERPRETER)));
}

export const nodePace: Pace = {
  now: () => performance.now(),
  spent: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  yield: () => new Promise((resolve) => setImmediate(resolve)),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};
