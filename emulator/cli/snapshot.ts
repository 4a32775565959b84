/** `guest snapshot`: what can be done with a file. What it takes is loaded when it is asked for: most runs do without. */
import type { Command } from 'commander';

const actions = (): Promise<typeof import('./snapshotactions')> => import(/* webpackChunkName: "guest-snapshot" */ './snapshotactions');

export function addSnapshotCommands(program: Command): void {
  const snapshot = program.command('snapshot').description('look at snapshot files and change their form');
  snapshot
    .command('inspect <file>')
    .description('print all that a snapshot says: its parts, and their fields and bits')
    .option('--json', 'as JSON')
    .action(async (file: string, { json }: { readonly json?: boolean }) => (await actions()).inspect(file, json));
  snapshot
    .command('verify <file>')
    .description('hold every part, and those of its parents, against its hash')
    .action(async (file: string) => (await actions()).verify(file));
  snapshot
    .command('flatten <file> <new>')
    .description('write a snapshot that needs no parents')
    .action(async (file: string, to: string) => (await actions()).flatten(file, to));
  snapshot
    .command('upgrade <file> <new>')
    .description('write a snapshot in the newest version of everything in it, without parents')
    .action(async (file: string, to: string) => (await actions()).upgrade(file, to));
  snapshot
    .command('picture <file> <png>')
    .description('write what the screen shows as PNG')
    .action(async (file: string, png: string) => (await actions()).picture(file, png));
  snapshot
    .command('memory <file> <address> [length]')
    .description('print bytes of memory, 256 unless told')
    .option('--linear', 'a linear address, as the first processor would use it')
    .action(async (file: string, address: string, length: string | undefined, { linear }: { readonly linear?: boolean }) =>
      (await actions()).memory(file, address, length, linear),
    );
  snapshot
    .command('map <file>')
    .description('print what lies where in the physical address space and among the I/O ports')
    .option('--json', 'as JSON')
    .action(async (file: string, { json }: { readonly json?: boolean }) => (await actions()).map(file, json));
  snapshot
    .command('diff <before> <after>')
    .description('print what differs: registers, fields and bits of chips, events and pages')
    .option('--json', 'as JSON')
    .action(async (before: string, after: string, { json }: { readonly json?: boolean }) => (await actions()).diff(before, after, json));
}
