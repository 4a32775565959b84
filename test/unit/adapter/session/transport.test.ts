import { strict as assert } from 'node:assert';
import { PassThrough } from 'node:stream';
import { Transport } from '../../../../adapter/session/transport';

function open(): { input: PassThrough; output: PassThrough; messages: unknown[]; problems: string[]; closed: () => boolean; transport: Transport } {
  const input = new PassThrough();
  const output = new PassThrough();
  const messages: unknown[] = [];
  const problems: string[] = [];
  let over = false;
  const transport = new Transport(input, output, {
    message: (message) => messages.push(message),
    malformed: (problem) => problems.push(problem),
    closed: () => (over = true),
  });
  return { input, output, messages, problems, closed: () => over, transport };
}
const framed = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe('transport', () => {
  it('takes messages apart however the bytes arrive', async () => {
    const { input, messages } = open();
    const bytes = Buffer.from(framed('{"a":"ö"}') + framed('{"b":2}'));
    for (const byte of bytes) input.write(Uint8Array.of(byte));
    input.write(Buffer.concat([bytes, bytes]));
    await turn();
    assert.deepEqual(messages, [{ a: 'ö' }, { b: 2 }, { a: 'ö' }, { b: 2 }, { a: 'ö' }, { b: 2 }]);
  });

  it('passes over what is no message', async () => {
    const { input, messages, problems, closed } = open();
    input.write(`${framed('not json')}Nothing: 1\r\n\r\n${framed('{"a":1}')}`);
    await turn();
    assert.deepEqual(messages, [{ a: 1 }]);
    assert.equal(problems.length, 2);
    assert.equal(closed(), false);
  });

  it('hangs up on absurd lengths and endless headers', async () => {
    for (const text of ['Content-Length: 99999999999\r\n\r\n', 'x'.repeat(5000)]) {
      const { input, problems, closed } = open();
      input.write(text);
      await turn();
      assert.equal(problems.length, 1);
      assert.equal(closed(), true);
    }
  });

  it('numbers what it sends', async () => {
    const { output, transport } = open();
    transport.send({ type: 'event' });
    transport.send({ type: 'event' });
    assert.equal(String(output.read()), framed('{"type":"event","seq":1}') + framed('{"type":"event","seq":2}'));
  });
});
