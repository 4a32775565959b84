import { strict as assert } from 'node:assert';
import { COMMANDS, findCommand } from '../../../../adapter/console/run';
import { launched, type Client } from '../client';

const text = async (client: Client, command: string): Promise<string> => (await client.console(command)).result;
const refused = (client: Client, expression: string): Promise<string> => client.refused('evaluate', { expression, context: 'repl' });

describe('console commands', () => {
  it('have names of their own', () => {
    const names = COMMANDS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
    assert.equal(new Set(names).size, names.length);
  });

  it('are found by their longest name, and leave expressions alone', () => {
    assert.equal(findCommand('info registers')?.command.name, 'info registers');
    assert.equal(findCommand('info  r')?.command.name, 'info registers');
    assert.deepEqual(findCommand('> ls  -l ')?.args, 'ls  -l ');
    assert.equal(findCommand('rax + 1'), undefined);
    assert.equal(findCommand('x + 1'), undefined);
    assert.equal(findCommand('statusword'), undefined);
  });

  it('are all in the help', async () => {
    const { client } = await launched();
    const help = await text(client, 'help');
    for (const { name, about } of COMMANDS.filter((each) => each.name !== 'help')) assert.ok(help.includes(name) && help.includes(about), name);
    assert.match(await text(client, 'help stop-at'), /stop-at port FIRST/);
    assert.match(await refused(client, 'help rset'), /no command 'rset'; did you mean .*'reset'/);
  });

  it('show state', async () => {
    const { client } = await launched();
    assert.match(await text(client, 'info registers'), /^rip +0x0000000000001000$/m);
    assert.match(await text(client, 'info devices'), /^com1 +uart16550$/m);
    assert.match(await text(client, 'info devices com1'), /lcr +0x03/);
    assert.match(await refused(client, 'info devices com9'), /there are com1/);
    assert.match(await text(client, 'status'), /position +0 instructions/);
    assert.match(await text(client, 'info map'), /ram/);
    assert.match(await text(client, 'info cpus'), /vCPU 0 +64-bit +0x1000/);
    assert.match(await text(client, 'bt'), /#0 +0x0000000000001000/);
    assert.match(await refused(client, 'info nonsense'), /there are info registers/);
  });

  it('dump and write memory', async () => {
    const { client, guest } = await launched();
    assert.equal(await text(client, 'write 0x2000 = 48 69 00'), '3 of 3 bytes written.');
    assert.match(await text(client, 'mem 0x2000 16'), /^0x0000000000002000 {2}48 69 00 90 .* Hi\.+$/);
    assert.match(await text(client, 'x phys:0x2000 4'), /^phys:0x0000000000002000 {2}48 69/);
    assert.match(await text(client, 'mem 0x1ff0 + 16 1'), /^0x0000000000002000 {2}48 /);
    assert.match(await refused(client, 'mem 0x100000'), /nothing to read at 0x100000/);
    assert.equal(await text(client, 'set rbx = rax'), 'rbx = rax');
    assert.equal(guest.values['rbx'], guest.values['rax']);
    assert.match(await text(client, 'disas 0x1000 3'), /=> +0x0000000000001000 .* nop\n[^=]+nop\n[^=]+nop$/);
    assert.equal(await text(client, 'translate 0x1234'), '0x1234 is phys:0x1234');
    assert.equal(await text(client, 'translate 0x123456'), '0x123456 is not mapped.');
  });

  it('keep and restore checkpoints', async () => {
    const { client, guest } = await launched();
    assert.match(await text(client, 'checkpoint before the fault'), /^Checkpoint 1 at position 0/);
    await client.event('guest/checkpointsChanged');
    await client.moved('evaluate', { expression: 'si 4', context: 'repl' });
    assert.equal(guest.position, 4);
    assert.match(await text(client, 'checkpoints'), /before the fault/);
    await client.moved('evaluate', { expression: 'restore before the fault', context: 'repl' });
    assert.equal(guest.position, 0);
    assert.match(await refused(client, 'restore 7'), /no checkpoint '7'/);
    assert.equal(await text(client, 'hash'), 'hash-0');
  });

  it('move the guest, after their answer', async () => {
    const { client, guest } = await launched();
    assert.equal((await client.moved('evaluate', { expression: 'until +10', context: 'repl' })).reason, 'pause');
    assert.equal(guest.position, 10);
    await client.moved('evaluate', { expression: 'back 3', context: 'repl' });
    assert.equal(guest.position, 7);
    await client.moved('evaluate', { expression: 'travel 2', context: 'repl' });
    assert.equal(guest.position, 2);
    assert.match(await refused(client, 'travel 99'), /outside of the recorded history/);
    assert.match(await refused(client, 'until 1'), /not ahead/);
    await client.moved('evaluate', { expression: 'reset', context: 'repl' });
    assert.equal(guest.position, 0);
  });

  it('find who last wrote an address, with the other breakpoints back in place', async () => {
    const { client, guest } = await launched();
    await client.request('setInstructionBreakpoints', { breakpoints: [{ instructionReference: '0x1002' }] });
    guest.position = 9;
    const stopped = await client.moved('evaluate', { expression: 'last-write 0x2000 8', context: 'repl' });
    assert.equal(stopped.description, 'Write to 0x2000, 8 bytes');
    assert.deepEqual(stopped.hitBreakpointIds, []);
    assert.equal(guest.position, 3);
    assert.deepEqual(
      guest.triggers.map(({ kind }) => kind),
      ['execute'],
    );
  });

  it('set breakpoints of every kind and delete them', async () => {
    const { client, guest } = await launched();
    assert.match(await text(client, 'break 0x1010 if rax == 1'), /^Breakpoint 1: 0x1010 \(0x1010\) if rax == 1$/);
    await text(client, 'watch u32[0x2000] read');
    await text(client, 'stop-at port 0x3f8-0x3ff write');
    await text(client, 'stop-at interrupt 0x20');
    await text(client, 'stop-at exception #GP pf');
    assert.deepEqual(guest.triggers, [
      { kind: 'execute', id: 1, address: 0x1010n, condition: '(rax == 0x1)' },
      { kind: 'watch', id: 2, space: 'linear', address: 0x2000n, length: 4, access: 'read' },
      { kind: 'port', id: 3, first: 0x3f8, count: 8, access: 'write' },
      { kind: 'interrupt', id: 4, vector: 0x20 },
      { kind: 'exception', id: 5, vector: 13 },
      { kind: 'exception', id: 5, vector: 14 },
    ]);
    assert.match(await text(client, 'info breakpoints'), /3 +data breakpoint +write of ports 0x3f8-0x3ff +from the console/);
    await text(client, 'delete 3');
    assert.equal(guest.triggers.length, 5);
    await text(client, 'delete all');
    assert.deepEqual(guest.triggers, []);
    assert.match(await refused(client, 'delete 3'), /no breakpoint 3/);
    assert.match(await refused(client, 'stop-at port 0x10000'), /ports from 0 to 0xffff/);
    assert.match(await refused(client, 'stop-at exception #XX'), /no exception/);
    assert.match(await refused(client, 'stop-at moon'), /there are stop-at port/);
  });

  it('stop at system instructions, with conditions, hit counts and messages', async () => {
    const { client, guest } = await launched();
    await text(client, 'stop-at port 0x80 write if value == 3 && rax != 0 hits >= 2 log code {value}');
    await text(client, 'stop-at msr 0xc0000080 write if value & 0x100');
    await text(client, 'stop-at hlt');
    await text(client, 'stop-at cpuid 7 if subleaf == 0');
    await text(client, 'stop-at control');
    await text(client, 'stop-at control cr4 log {old} to {value}');
    await text(client, 'stop-at exception nmi');
    await text(client, 'stop-at exception #PF if code & 2');
    assert.deepEqual(guest.triggers, [
      {
        kind: 'port',
        id: 1,
        first: 0x80,
        count: 1,
        access: 'write',
        condition: '((value == 0x3) && (rax != 0x0))',
        hits: { compare: '>=', value: 2 },
        log: 'code {value}',
      },
      { kind: 'msr', id: 2, index: 0xc0000080, access: 'write', condition: '(value & 0x100)' },
      { kind: 'halt', id: 3 },
      { kind: 'cpuid', id: 4, leaf: 7, condition: '(subleaf == 0x0)' },
      { kind: 'control', id: 5, register: 'mode' },
      { kind: 'control', id: 6, register: 'cr4', log: '{old} to {value}' },
      { kind: 'exception', id: 7, vector: 2 },
      { kind: 'exception', id: 8, vector: 14, condition: '(code & 0x2)' },
    ]);
    assert.match(await refused(client, 'stop-at control cr9'), /none of cr0/);
    assert.match(await refused(client, 'stop-at msr x'), /no number/);
    assert.match(await refused(client, 'stop-at hlt if leaf == 1'), /no register or symbol 'leaf'/);
  });

  it('type into the serial line and the keyboard, also while the guest runs', async () => {
    const { client, guest } = await launched();
    await client.request('continue', { threadId: 1 });
    await text(client, '> ls -l');
    await text(client, 'serial \\x03\\n');
    await text(client, 'key ControlLeft+KeyC');
    assert.deepEqual(guest.calls.slice(1), [
      'serial 0 "ls -l\\n"', 'serial 0 "\\u0003\\n"', 'key ControlLeft down', 'key KeyC down', 'key KeyC up', 'key ControlLeft up',
    ]); // prettier-ignore
  });

  it('leave anything else to expressions, and tell of help', async () => {
    const { client } = await launched();
    assert.equal(await text(client, 'rip + 1'), '0x0000000000001001');
    assert.match(await refused(client, 'rpi'), /did you mean 'rip'.*'help' lists the commands/);
  });
});

describe('completion', () => {
  const labels = async (client: Client, typed: string): Promise<string[]> =>
    (await client.request('completions', { text: typed, column: typed.length + 1 })).targets.map(({ label }: { label: string }) => label);

  it('knows commands, their words and registers', async () => {
    const { client } = await launched();
    assert.ok((await labels(client, 'info re')).includes('info registers'));
    assert.ok((await labels(client, 'stop-at exception #G')).includes('#GP'));
    assert.ok((await labels(client, '1 + ra')).includes('rax'));
    assert.ok((await labels(client, 'cs.b')).includes('cs.base'));
  });

  it('replaces what is typed', async () => {
    const { client } = await launched();
    const { targets } = await client.request('completions', { text: 'u8[ra', column: 6 });
    const rax = targets.find(({ label }: { label: string }) => label === 'rax');
    assert.deepEqual([rax.start, rax.length], [4, 2]);
  });
});
