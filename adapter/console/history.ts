/** Motion and history: checkpoints, travel, running to a place, who wrote what. */
import type { Trigger } from '../../emulator/machine/api';
import { hex, seconds } from '../inspect/format';
import type { Operation } from '../session/motion';
import { commandError, count, usageError, type Command, type CommandContext } from './command';

async function checkpoint({ debuggee }: CommandContext, args: string): Promise<string> {
  const made = await debuggee.guest.checkpoint(args === '' ? undefined : args);
  return `Checkpoint ${made.id} at position ${made.position}, ${seconds(made.time)}.`;
}

async function restore(context: CommandContext, args: string): Promise<string> {
  const { guest, motion } = context.debuggee;
  if (args === '') throw usageError(RESTORE);
  const all = await guest.checkpoints();
  const found = all.find(({ id, name }) => String(id) === args || name === args);
  if (!found) throw commandError(`there is no checkpoint '${args}'; 'checkpoints' lists them`);
  context.begin('Restoring a checkpoint', () => motion.jump(() => guest.restore(found.id)));
  return `To checkpoint ${found.id}, position ${found.position}.`;
}
const RESTORE: Command = { name: 'restore', usage: 'ID|NAME', about: 'back to a checkpoint', run: restore };

/** `1000`, or relative to now: `+1000`, `-1000`. */
async function position({ debuggee }: CommandContext, text: string): Promise<number> {
  if (!/^[+-]?\d[\d_]*$/.test(text)) throw commandError(`'${text}' is no position; write a number of instructions, or one after + or -`);
  const value = Number(text.replaceAll('_', ''));
  return /^[+-]/.test(text) ? (await debuggee.guest.status()).position + value : value;
}

async function travel(context: CommandContext, args: string): Promise<string> {
  const { guest, motion } = context.debuggee;
  if (args === '') throw usageError(TRAVEL);
  const wanted = await position(context, args);
  const { oldest, newest } = await guest.status();
  if (wanted < oldest || wanted > newest) throw commandError(`position ${wanted} is outside of the recorded history, ${oldest} to ${newest}`);
  context.begin('Travelling through history', () => motion.jump(() => guest.travel(wanted)));
  return `To position ${wanted}.`;
}
const TRAVEL: Command = { name: 'travel', usage: 'POSITION|+N|-N', about: 'to a position of the recorded history', run: travel };

async function until(context: CommandContext, args: string): Promise<string> {
  const { guest, motion } = context.debuggee;
  if (args === '') throw usageError(UNTIL);
  const wanted = await position(context, args);
  if (wanted <= (await guest.status()).position) throw commandError(`position ${wanted} is not ahead; 'travel' goes back`);
  context.begin('Running', () => motion.run(() => guest.resume({ position: wanted })));
  return `Runs to position ${wanted}.`;
}
const UNTIL: Command = { name: 'until', usage: 'POSITION|+N', about: 'runs on to a position', run: until };

/** Several steps as one motion; ends early where something else stops the guest. */
const repeated =
  (context: CommandContext, steps: number, step: () => Promise<void>): Operation =>
  async () => {
    const { motion } = context.debuggee;
    let stop = await motion.run(step);
    for (let done = 1; done < steps && stop.reason.kind === 'step' && !motion.interrupted; done++) stop = await motion.run(step);
    return stop;
  };

async function stepInstructions(context: CommandContext, args: string): Promise<string> {
  const steps = count(args, 1, 100_000);
  context.begin(
    'Stepping',
    repeated(context, steps, () => context.debuggee.guest.step('in', context.vcpu)),
  );
  return '';
}
async function back(context: CommandContext, args: string): Promise<string> {
  const steps = count(args, 1, 100_000);
  context.begin(
    'Stepping back',
    repeated(context, steps, () => context.debuggee.guest.stepBack(context.vcpu)),
  );
  return '';
}

async function reverse(context: CommandContext): Promise<string> {
  const { guest, motion } = context.debuggee;
  context.begin('Running backwards', () => motion.run(() => guest.reverseContinue()));
  return '';
}

/** An id that no breakpoint has. */
const OWN = -2;

async function lastWrite(context: CommandContext, args: string): Promise<string> {
  const { debuggee, vcpu } = context;
  const { guest, motion, breakpoints } = debuggee;
  if (args === '') throw usageError(LAST_WRITE);
  const match = /^(.*\S)\s+(\d+)$/.exec(args);
  const [expression, length] = match && !/[-+*/%&|^<>=(,:?~!]$/.test(match[1]!) ? [match[1]!, count(match[2]!, 8, 4096)] : [args, undefined];
  const value = await debuggee.evaluate(expression, vcpu);
  const place = value.place?.kind === 'memory' ? value.place : { space: value.space, address: value.bits };
  const bytes = length ?? (value.place?.kind === 'memory' ? value.type.size : 8);
  const watch: Trigger = { kind: 'watch', id: OWN, space: place.space, address: place.address, length: bytes, access: 'write' };
  context.begin(`Looking for the last write to ${hex(place.address)}`, async () => {
    await guest.setTriggers([watch]);
    try {
      return await motion.run(() => guest.reverseContinue());
    } finally {
      await guest.setTriggers(breakpoints.triggers());
    }
  });
  return `Looks for the last write to ${bytes} bytes at ${place.space === 'physical' ? 'phys:' : ''}${hex(place.address)}.`;
}
const LAST_WRITE: Command = {
  name: 'last-write',
  aliases: ['who-wrote'],
  usage: 'ADDRESS [BYTES]',
  about: 'runs back to the instruction that last wrote there',
  run: lastWrite,
};

async function reset(context: CommandContext): Promise<string> {
  const { guest, motion } = context.debuggee;
  context.begin('Reset', () => motion.jump(() => guest.reset(), { kind: 'reset' }));
  return 'The machine is reset.';
}

async function save({ debuggee }: CommandContext, args: string): Promise<string> {
  const path = args === '' ? debuggee.plan.suspendFile : args;
  await debuggee.guest.save(path);
  return `Saved in ${path}.`;
}

export const HISTORY: readonly Command[] = [
  { name: 'checkpoint', usage: '[NAME]', about: 'keeps the state of the machine to come back to', run: checkpoint },
  RESTORE,
  TRAVEL,
  UNTIL,
  { name: 'stepi', aliases: ['si'], usage: '[COUNT]', about: 'steps by instructions', run: stepInstructions },
  { name: 'back', aliases: ['rsi', 'reverse-stepi'], usage: '[COUNT]', about: 'steps back by instructions', run: back },
  { name: 'reverse', aliases: ['rc', 'reverse-continue'], usage: '', about: 'runs backwards to the last breakpoint', run: reverse },
  LAST_WRITE,
  { name: 'reset', aliases: ['system_reset'], usage: '', about: 'presses the reset button', run: reset },
  { name: 'hash', usage: '', about: 'hash of the whole machine state: equal states have equal hashes', run: ({ debuggee }) => debuggee.guest.stateHash() },
  { name: 'save', usage: '[FILE]', about: 'saves the machine in a snapshot file', run: save },
];
