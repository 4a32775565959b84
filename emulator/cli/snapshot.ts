/** `guest snapshot`: what can be done with a file. */
import type { Command } from 'commander';
import { diffSnapshots, type Difference } from '../snapshot/diff';
import { flattenSnapshot, inspectSnapshot, upgradeSnapshot, verifySnapshot } from '../snapshot/tools';

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
  snapshot
    .command('upgrade <file> <new>')
    .description('write a snapshot in the newest version of everything in it, without parents')
    .action(async (file: string, to: string) => {
      const older = await upgradeSnapshot(file, to);
      process.stdout.write(older.length === 0 ? `${file}: nothing in it is of an older version\n` : `${file}: ${older.join(', ')} brought up to date\n`);
    });
  snapshot
    .command('diff <before> <after>')
    .description('print what differs: registers, fields and bits of chips, events and pages')
    .option('--json', 'as JSON')
    .action(async (before: string, after: string, { json }: { readonly json?: boolean }) => {
      const differences = await diffSnapshots(before, after);
      process.stdout.write(json ? `${JSON.stringify(differences, undefined, 2)}\n` : differenceText(differences));
      // As diff(1) has it.
      if (differences.length > 0) process.exitCode = 1;
    });
}

const WIDEST = 60;

/** A heading for each chunk, and a line for each difference; what a field means is told once where several of the same kind follow each other. */
export function differenceText(differences: readonly Difference[]): string {
  const lines: string[] = [];
  let [heading, told] = ['', ''];
  for (const { where, what, before, after, about = '', bits = [] } of differences) {
    if (where !== heading) {
      lines.push((heading = where));
      told = '';
    }
    const show = (value: unknown): string => shown(value, about !== '');
    const change = before === undefined ? show(after) : `${show(before)} → ${after === undefined ? 'nothing' : show(after)}`;
    const parts = bits.map(({ name, before: old, after: now }) => `${name} ${old} → ${now}`).join(', ');
    lines.push([`  ${what.padEnd(24)} ${change}`, parts, about === told ? '' : `(${about})`].filter((part) => part !== '').join('   '));
    told = about;
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Numbers of fields that a table describes are registers'; others count something. */
function shown(value: unknown, register: boolean): string {
  const hex = register && typeof value === 'number' && Number.isSafeInteger(value) && value > 9;
  const text = hex ? `0x${value.toString(16)}` : typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > WIDEST ? `${text.slice(0, WIDEST)}…` : text;
}
