/**
 * An RFB server whose clients say anything: handshakes of every kind, messages half right, lengths that lie, cut anywhere, answers left unread.
 * Each goes on or is closed with a typed error; the client beside it notices nothing. RFB_CASES and RFB_SEED say how many, and which.
 */
import assert from 'node:assert/strict';
import type { Channel } from '../../emulator/display/rfb/client';
import { RfbError } from '../../emulator/display/rfb/errors';
import { RfbServer } from '../../emulator/display/rfb/server';
import { randomOf, type Random } from './mutate';

const CASES = Number(process.env['RFB_CASES'] ?? 20_000);
const SEED = Number(process.env['RFB_SEED'] ?? 1);
/** What a client that reads nothing may be owed: a whole picture in the widest format, and answers (`MOST_UNREAD`). */
const PICTURE = { width: 64, height: 48 };
const MOST_OWED = PICTURE.width * PICTURE.height * 4 * 3 + (1 << 20) + (1 << 16);

class Line implements Channel {
  sent = 0;
  backlog = 0;
  error: RfbError | undefined;
  closed = false;
  constructor(private readonly reads: boolean) {}
  send(bytes: Uint8Array): void {
    assert.ok(!this.closed, 'something is sent after the end');
    this.sent += bytes.length;
    if (!this.reads) this.backlog += bytes.length;
  }
  close(error?: RfbError): void {
    assert.ok(!this.closed, 'closed twice');
    this.closed = true;
    this.error = error;
  }
}

const big = (bytes: number, value: number): number[] => Array.from({ length: bytes }, (_, at) => Math.floor(value / 256 ** (bytes - 1 - at)) & 0xff);
const VERSIONS = ['RFB 003.008\n', 'RFB 003.007\n', 'RFB 003.003\n', 'RFB 003.889\n', 'RFB 004.001\n', 'GET / HTTP/1', 'RFB 003.00'];
const ENCODINGS = [0, 1, 2, 5, 6, 7, 16, -223, -224, -239, -240, -257, -258, -307, -308, -312, -313, -23, -256, -247];

/** What a client says in its life, most of it right. */
function speech(random: Random): number[] {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const odd = (value: number, most: number): number => (random(12) === 0 ? pick([0, most, random(65536), most >> 1]) : value);
  const bytes = [...Buffer.from(random(8) === 0 ? pick(VERSIONS) : 'RFB 003.008\n', 'latin1')];
  bytes.push(random(10) === 0 ? random(256) : 1);
  // Where a password is asked for, an answer to the challenge: a wrong one.
  if (random(4) === 0) bytes.push(...Array.from({ length: 16 }, () => random(256)));
  bytes.push(random(2));
  const messages: (() => number[])[] = [
    () => [0, 0, 0, 0, ...formatOf()],
    () => {
      const list = Array.from({ length: random(12) }, () => pick(ENCODINGS));
      return [2, 0, ...big(2, odd(list.length, 65535)), ...list.flatMap((encoding) => big(4, encoding >>> 0))];
    },
    () => [3, random(2), ...big(2, odd(0, 65535)), ...big(2, odd(0, 65535)), ...big(2, odd(PICTURE.width, 65535)), ...big(2, odd(PICTURE.height, 65535))],
    () => [4, random(2), 0, 0, ...big(4, random(4) === 0 ? random(2 ** 31) : 0x20 + random(0x60))],
    () => [5, random(256), ...big(2, random(65536)), ...big(2, random(65536))],
    () => {
      const length = random(40);
      return [6, 0, 0, 0, ...big(4, odd(length, 0xffffffff)), ...Array.from({ length }, () => random(256))];
    },
    () => [150, random(2), ...big(2, random(100)), ...big(2, random(100)), ...big(2, random(100)), ...big(2, random(100))],
    () => {
      const length = random(70);
      return [248, 0, 0, 0, ...big(4, random(2) === 0 ? 0x80000001 : random(2 ** 31)), odd(length, 255), ...Array.from({ length }, () => random(256))];
    },
    () => [
      251,
      0,
      ...big(2, random(2000)),
      ...big(2, random(2000)),
      odd(1, 255),
      0,
      ...big(4, 1),
      ...big(2, 0),
      ...big(2, 0),
      ...big(2, 64),
      ...big(2, 48),
      ...big(4, 0),
    ],
    () => [255, odd(0, 255), ...big(2, random(2)), ...big(4, random(2 ** 31)), ...big(4, random(256))],
  ];
  const formatOf = (): number[] => {
    if (random(3) === 0) return Array.from({ length: 16 }, () => random(256));
    const [depth, red, green, blue, shifts] = pick([
      [32, 255, 255, 255, [16, 8, 0]],
      [16, 31, 63, 31, [11, 5, 0]],
      [8, 7, 7, 3, [0, 3, 6]],
    ] as const);
    return [
      odd(depth, 255),
      depth === 32 ? 24 : depth,
      random(2),
      odd(1, 255),
      ...big(2, odd(red, 65535)),
      ...big(2, green),
      ...big(2, blue),
      ...shifts,
      0,
      0,
      0,
    ];
  };
  for (let left = random(40); left > 0; left--) bytes.push(...(random(30) === 0 ? [random(256)] : pick(messages)()));
  return bytes;
}

describe('an RFB server with hostile clients', function () {
  this.timeout(0);

  it(`${CASES} of them go on or are closed with a typed error, and nobody else notices`, () => {
    const random = randomOf(SEED);
    const inputs = { keys: 0, pointers: 0, texts: 0 };
    const down = new Set<string>();
    const server = new RfbServer('guest', {
      key: (code, pressed) => {
        inputs.keys++;
        if (pressed) down.add(code);
        else down.delete(code);
      },
      pointer: () => inputs.pointers++,
      clipboard: (text) => {
        inputs.texts++;
        assert.ok(text.length <= 1 << 18);
      },
    });
    const rgba = new Uint8Array(PICTURE.width * PICTURE.height * 4).fill(255);
    server.show({ ...PICTURE, rgba });
    const good = new Line(true);
    const friend = server.connect(good);
    friend.receive(Buffer.from('RFB 003.008\n\x01\x01', 'latin1'));
    const request = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, PICTURE.width, 0, PICTURE.height);
    friend.receive(request);
    const ends = new Map<string, number>();
    let bytes = 0;
    for (let number = 0; number < CASES; number++) {
      const what = `RFB_SEED=${SEED}, case ${number}`;
      const line = new Line(random(3) > 0);
      const client = server.connect(line, random(5) === 0 ? { password: 'secret', challenge: new Uint8Array(16).fill(7) } : {});
      const said = Uint8Array.from(speech(random));
      bytes += said.length;
      try {
        for (let at = 0; at < said.length && !line.closed;) {
          const piece = 1 + random(random(4) === 0 ? 3 : 200);
          client.receive(said.subarray(at, at + piece));
          at += piece;
          if (random(6) === 0) {
            rgba.fill(random(256), random(rgba.length));
            server.show({ ...PICTURE, rgba });
          }
          if (random(9) === 0) {
            line.backlog = 0;
            client.update();
          }
          assert.ok(line.backlog < MOST_OWED, `${what}: ${line.backlog} bytes wait for a client that reads nothing`);
        }
      } catch (error) {
        assert.fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
      }
      const end = line.closed ? (line.error?.code ?? 'closed') : 'goes on';
      ends.set(end, (ends.get(end) ?? 0) + 1);
      client.close();
      assert.equal(server.connected, 1, what);
      assert.equal(down.size, 0, `${what}: a key stays down`);
    }
    assert.ok(!good.closed);
    const before = good.sent;
    rgba.fill(3);
    friend.receive(request);
    server.show({ ...PICTURE, rgba });
    assert.ok(good.sent > before, 'the other client still gets its pictures');
    console.log(
      `      ${CASES} of seed ${SEED}, ${bytes} bytes: ${[...ends].map(([kind, count]) => `${kind} ${count}`).join(', ')}; ${JSON.stringify(inputs)}`,
    );
    assert.ok(
      (ends.get('goes on') ?? 0) > CASES / 20 && ends.size > 3 && Math.min(inputs.keys, inputs.pointers, inputs.texts) > 0,
      'speeches come as far as their messages',
    );
  });
});
