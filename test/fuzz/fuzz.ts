/**
 * Snapshots changed by somebody who knows their structure, hashes made right again: each is refused with a typed error that blames
 * the file, and then nothing has changed; or it is a machine that runs. FUZZ_CASES and FUZZ_SEED say how many, and which.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../emulator/errors';
import type { MachineConfig } from '../../emulator/machine/api';
import { applyInput } from '../../emulator/machine/inputs';
import type { LocalGuest } from '../../emulator/machine/local';
import { openGuest } from '../../emulator/machine/open';
import { RunLoop } from '../../emulator/machine/runloop';
import { capture, StateHash } from '../../emulator/machine/state';
import { BlobWriter, readBlob, type BlobIndex, type Stored } from '../../emulator/snapshot/blobs';
import { encodeContainer, readChunks, readManifest, type Chunk, type Source } from '../../emulator/snapshot/container';
import { readContents } from '../../emulator/snapshot/file';
import { openSnapshot } from '../../emulator/snapshot/storage';
import { mutateChunks, randomOf } from './mutate';

const CASES = Number(process.env['FUZZ_CASES'] ?? 4000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
/** Instructions that an accepted machine runs. */
const RUN = 2000;

const isTyped = (error: unknown): boolean => error instanceof EmulatorError && error.blame === 'user';

export const COMMON: Partial<MachineConfig> = {
  historyBytes: 16 << 20,
  checkpointEvery: 1_000_000,
  rngSeed: 7,
  virtioConsole: true,
  usb: ['tablet', 'keyboard'],
};

/** `config` gets a function that writes a file beside the snapshot. */
export function fuzz(name: string, config: (file: (name: string, bytes: Uint8Array) => string) => MachineConfig): void {
  describe(`snapshots changed by an expert: ${name}`, function () {
    this.timeout(0);
    let folder: string;
    const file = (given: string, bytes: Uint8Array): string => {
      writeFileSync(join(folder, given), bytes);
      return join(folder, given);
    };
    let guest: LocalGuest;
    let chunks: readonly Chunk[];
    let blobs: BlobIndex;
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
      const path = join(folder, 'a.guest');
      const first = (await openGuest(config(file))) as LocalGuest;
      await new Promise<void>((resolve, reject) => {
        first.on(({ event }) => event === 'stopped' && resolve());
        first.resume({ position: 20_000, unattended: true }).catch(reject);
      });
      await first.key('KeyA', true);
      await first.serialInput(0, Buffer.from('hello'));
      await first.writeMemory(0, 'physical', 0x9000n, Buffer.from('data'));
      await first.save(path, { historyBytes: 16 << 20 });
      const snapshot = await openSnapshot(path);
      chunks = await readChunks(snapshot.source, snapshot.manifest);
      assert.ok(chunks.some(({ kind }) => kind === 'history'));
      const unpacked = new Map<string, Uint8Array>();
      for (const key of snapshot.blobs.keys()) unpacked.set(key, await readBlob(snapshot.blobs, Buffer.from(key, 'hex'), key));
      blobs = new Map(
        [...unpacked].map(([key, data]) => {
          const stored: Stored = { codec: 'raw', size: data.length, data };
          return [key, { size: data.length, stored: data.length, read: () => Promise.resolve(stored), readSync: () => stored }];
        }),
      );
      await snapshot.close();
      await first.close();
      guest = (await openGuest({ ...first.config, historyBytes: 0 })) as LocalGuest;
    });
    after(async () => {
      await guest.close();
      rmSync(folder, { recursive: true });
    });

    it(`${CASES} changed ones end in an error, or in a machine that runs`, async function () {
      const random = randomOf(SEED);
      const { machine } = guest;
      const hash = new StateHash(machine);
      const loop = new RunLoop(machine, (input) => applyInput(machine, input));
      const used = chunks.filter(({ kind }) => kind !== 'schema');
      const counts = { refused: 0, ran: 0, stopped: 0 };
      (await readContents(chunks, blobs)).apply(machine);
      for (let number = 0; number < CASES; number++) {
        let changed = mutateChunks(used, random);
        for (let more = random(4); more === 0; more = random(4)) changed = mutateChunks(changed, random);
        const checked = number % 64 === 0 ? hash.current() : undefined;
        const what = `seed ${SEED}, case ${number}`;
        try {
          const contents = await readContents(changed, blobs);
          if (contents.config.cpus !== machine.config.cpus) throw new EmulatorError('snapshot', 'user', 'for another machine');
          contents.apply(machine);
        } catch (error) {
          assert.ok(isTyped(error), `${what}: ${error instanceof Error ? error.stack : String(error)}`);
          if (checked !== undefined) assert.equal(hash.current(), checked, `${what}: refused, and yet something changed`);
          counts.refused++;
          continue;
        }
        try {
          const end = machine.position + RUN;
          let halt;
          for (let slices = 0; !halt && machine.position < end && slices < 50; slices++) halt = loop.advance(end);
          capture(machine);
          if (halt) counts.stopped++;
          else counts.ran++;
        } catch (error) {
          assert.fail(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
        }
      }
      console.log(`      ${CASES} of seed ${SEED}: ${counts.refused} refused, ${counts.ran} ran on, ${counts.stopped} came to a stop of the guest's`);
      assert.ok(counts.refused > CASES / 10 && counts.ran > CASES / 20, JSON.stringify(counts));
      // After all of it the machine takes the true one, and goes on as it does.
      (await readContents(chunks, blobs)).apply(machine);
      const other = (await openGuest(undefined, { snapshot: join(folder, 'a.guest') })) as LocalGuest;
      assert.equal(hash.current(), await other.stateHash());
      await other.close();
    });

    it(`${CASES >> 4} changed containers are refused, or say what they said`, async () => {
      const random = randomOf(SEED + 1);
      const writer = new BlobWriter();
      for (const [key, { size, read }] of blobs) writer.keep(Buffer.from(key, 'hex'), { ...(await read()), size });
      const { pieces } = await encodeContainer(chunks, writer);
      const whole = Buffer.concat(pieces);
      const sourceOf = (bytes: Uint8Array): Source => {
        const readSync = (offset: number, length: number): Uint8Array => {
          if (offset + length > bytes.length) throw new EmulatorError('snapshot', 'user', 'cut');
          return bytes.slice(offset, offset + length);
        };
        return { length: bytes.length, read: async (offset, length) => readSync(offset, length), readSync };
      };
      const manifest = await readManifest(sourceOf(whole));
      const borders = [...manifest.chunks, ...manifest.blobs].map(({ offset }) => offset);
      let refused = 0;
      for (let number = 0; number < CASES >> 4; number++) {
        const bytes = Uint8Array.from(whole);
        let given = bytes;
        const at = random(4) === 0 ? borders[random(borders.length)]! : random(2) === 0 ? random(128) : whole.length - 1 - random(manifest.chunks.length * 200);
        if (random(5) === 0) given = bytes.subarray(0, at);
        else bytes[at]! ^= 1 << random(8);
        try {
          const source = sourceOf(given);
          await readChunks(source, await readManifest(source));
        } catch (error) {
          assert.ok(isTyped(error), `seed ${SEED}, case ${number}: ${error instanceof Error ? error.stack : String(error)}`);
          refused++;
          continue;
        }
        assert.equal(given.length, whole.length, `seed ${SEED}, case ${number}: a cut file was taken`);
      }
      assert.ok(refused > CASES >> 5);
    });
  });
}
