/** `guest snapshot`: what can be done with a file. */
import type { Command } from 'commander';
import { flattenSnapshot, inspectSnapshot, verifySnapshot } from '../snapshot/tools';

export function addSnapshotCommands(program: Command): void {
  const snapshot = program.command('snapshot').description('look at snapshot files and change their form');
  snapshot
    .command('inspect <file>')
    .description('print all that a snapshot says, as JSON')
    .action(async (file: string) => void process.stdout.write(`${JSON.stringify(await inspectSnapshot(file), undefined, 2)}\n`));
  snapshot
    .command('verify <file>')
    .description('hold every part, and those of its parents, against its hash')
    .action(async (file: string) => void process.stdout.write(`${file}: ${await verifySnapshot(file)} parts are as they were written\n`));
  snapshot
    .command('flatten <file> <new>')
    .description('write a snapshot that needs no parents')
    .action(async (file: string, to: string) => flattenSnapshot(file, to));
}
