import { strict as assert } from 'node:assert';
import { launched } from '../client';

describe('memory', () => {
  it('is read by linear and physical references', async () => {
    const { client, guest } = await launched();
    guest.memory.set([1, 2, 3], 0x2000);
    assert.deepEqual(await client.request('readMemory', { memoryReference: '0x2000', count: 3 }), { address: '0x2000', data: 'AQID' });
    assert.deepEqual(await client.request('readMemory', { memoryReference: 'phys:0x1ff0', offset: 17, count: 2 }), { address: 'phys:0x2001', data: 'AgM=' });
  });

  it('reports what can not be read, and never as zeros', async () => {
    const { client } = await launched();
    const { data, unreadableBytes } = await client.request('readMemory', { memoryReference: '0xfffe', count: 16 });
    assert.equal(Buffer.from(data, 'base64').length, 2);
    assert.equal(unreadableBytes, 14);
    assert.deepEqual(await client.request('readMemory', { memoryReference: '0xffffffff80000000', count: 8 }), {
      address: '0xffffffff80000000',
      unreadableBytes: 8,
    });
    assert.deepEqual(await client.request('readMemory', { memoryReference: '0x0', offset: -8, count: 8 }), { address: '0x0', unreadableBytes: 8 });
  });

  it('is written', async () => {
    const { client, guest } = await launched();
    assert.deepEqual(await client.request('writeMemory', { memoryReference: '0x2000', data: 'AQID' }), { bytesWritten: 3 });
    assert.deepEqual([...guest.memory.subarray(0x2000, 0x2003)], [1, 2, 3]);
    assert.match(await client.refused('writeMemory', { memoryReference: '0xffff', data: 'AQID' }), /only 1 of 3 bytes/);
    assert.deepEqual(await client.request('writeMemory', { memoryReference: '0xffff', data: 'AQID', allowPartial: true }), { bytesWritten: 1 });
    assert.match(await client.refused('writeMemory', { memoryReference: '0x2000', data: '!' }), /not base64/);
  });
});

describe('disassembly', () => {
  const instructions = async (args: object): Promise<{ address: string; instruction: string; presentationHint?: string }[]> => {
    const { client } = await launched();
    return (await client.request('disassemble', args)).instructions;
  };

  it('goes both ways from an address', async () => {
    const found = await instructions({ memoryReference: '0x1000', instructionOffset: -50, instructionCount: 100 });
    assert.equal(found.length, 100);
    assert.equal(found[0]!.address, '0xfce');
    assert.equal(found[50]!.address, '0x1000');
    assert.equal(found[50]!.instruction, 'nop');
  });

  it('has exactly the wanted length at either end of the address space', async () => {
    const low = await instructions({ memoryReference: '0x0', instructionOffset: -10, instructionCount: 20 });
    assert.equal(low.length, 20);
    assert.deepEqual(
      low.slice(0, 10).map((each) => each.presentationHint),
      Array(10).fill('invalid'),
    );
    assert.equal(low[10]!.address, '0x0');
    const high = await instructions({ memoryReference: '0xfffffffffffffffe', instructionOffset: 0, instructionCount: 20 });
    assert.equal(high.length, 20);
    assert.ok(high.every(({ presentationHint }) => presentationHint === 'invalid'));
  });

  it('works where the upper half of the address space begins', async () => {
    const found = await instructions({ memoryReference: '0xffffffff80000000', instructionOffset: -50, instructionCount: 100 });
    assert.equal(found.length, 100);
    assert.equal(found[50]!.address, '0xffffffff80000000');
  });
});
