import { userError } from '../errors';
import { hex, MEGABYTE, pageUp, segment, type BootModule, type LoadOptions, type Segment } from './plan';

export interface PlacedModule {
  readonly segment: Segment;
  readonly commandLine: string;
}

/** Modules one after another, page-aligned, above the kernel; an initrd comes first. */
export function placeModules(kernelName: string, kernel: readonly Segment[], options: LoadOptions): PlacedModule[] {
  const modules: BootModule[] = [...(options.initrd ? [options.initrd] : []), ...(options.modules ?? [])];
  let next = pageUp(Math.max(MEGABYTE, ...kernel.map((s) => s.address + s.memorySize)));
  return modules.map(({ name, bytes, commandLine }) => {
    const address = next;
    next = pageUp(address + bytes.length);
    if (next > options.memorySize) {
      throw userError(
        'memory-too-small',
        `${name}: the module of ${bytes.length} bytes at ${hex(address)}, after ${kernelName}, needs ` +
          `${Math.ceil(next / MEGABYTE)} MB of memory, the guest has ${options.memorySize / MEGABYTE} MB`,
      );
    }
    const baseName = name.split(/[\\/]/).at(-1) ?? name;
    return {
      segment: segment(`module ${name}`, address, bytes),
      commandLine: commandLine === undefined ? baseName : `${baseName} ${commandLine}`.trimEnd(),
    };
  });
}
