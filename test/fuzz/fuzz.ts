/**
 * Snapshots changed by somebody who knows their structure, hashes made right again: each is refused with a typed error that blames
 * the file, and then nothing has changed; or it is a machine that runs. FUZZ_CASES and FUZZ_SEED say how many, and which.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EmulatorError } from '../../emulator/errors';
import type { MachineConfig, Stop } from '../../emulator/machine/api';
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

/** Snapshots whose past alone is changed: each is a file that a new guest goes on from, which takes a while. */
const PASTS = Math.min(Math.ceil(CASES / 64), 1000);
/** What a motion into a past ends with where that is damaged, or does not reach so far. */
const TOLD: ReadonlySet<string> = new Set(['snapshot', 'no-position']);

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
      const runTo = (position: number): Promise<void> =>
        new Promise((resolve, reject) => {
          const off = first.on(({ event }) => {
            if (event !== 'stopped') return;
            off();
            resolve();
          });
          first.resume({ position, unattended: true }).catch(reject);
        });
      await runTo(20_000);
      await first.key('KeyA', true);
      await first.serialInput(0, Buffer.from('hello'));
      await first.writeMemory(0, 'physical', 0x9000n, Buffer.from('data'));
      // A stop that is told of, and another picture of the screen.
      const { machine } = first;
      await first.setTriggers([{ kind: 'execute', id: 1, address: machine.vcpus.pc(machine.engine.current) }]);
      await runTo(40_000);
      await first.setTriggers([]);
      await first.checkpoint('named');
      await first.save(path, { historyBytes: 16 << 20 });
      const snapshot = await openSnapshot(path);
      chunks = await readChunks(snapshot.source, snapshot.manifest);
      assert.ok(chunks.some(({ kind }) => kind === 'history'));
      const told = chunks.find(({ kind }) => kind === 'chronicle')!.fields;
      for (const name of ['stops', 'pictures']) assert.ok((told.get(name) as readonly unknown[]).length > 0, name);
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

    it(`${PASTS} changed pasts are told of when somebody goes there, and the guest stays where it is; or they are gone to`, async () => {
      const random = randomOf(SEED + 2);
      const path = join(folder, 'past.guest');
      const ofPast = ({ kind }: Chunk): boolean => kind === 'history' || kind === 'chronicle';
      const [past, others] = [chunks.filter(ofPast), chunks.filter((chunk) => !ofPast(chunk))];
      const counts = { refused: 0, told: 0, gone: 0 };
      for (let number = 0; number < PASTS; number++) {
        const what = `seed ${SEED}, case ${number}`;
        const changed = mutateChunks(past, random);
        const writer = new BlobWriter();
        for (const [key, { size, read }] of blobs) writer.keep(Buffer.from(key, 'hex'), { ...(await read()), size });
        let other: LocalGuest;
        try {
          const { pieces } = await encodeContainer([...others, ...changed], writer);
          writeFileSync(path, Buffer.concat(pieces));
          other = (await openGuest(undefined, { snapshot: path })) as LocalGuest;
        } catch (error) {
          assert.ok(isTyped(error), `${what}: ${error instanceof Error ? error.stack : String(error)}`);
          counts.refused++;
          continue;
        }
        const before = await other.stateHash();
        const { position, oldest } = await other.status();
        try {
          const { checkpoints } = await other.timeline();
          for (const { rgba } of await other.thumbnails(checkpoints.map(({ id }) => id))) assert.ok(rgba.length > 0);
        } catch (error) {
          assert.ok(isTyped(error), `${what}: ${error instanceof Error ? error.stack : String(error)}`);
        }
        const stopped = new Promise<Stop>((resolve) => other.on((event) => event.event === 'stopped' && resolve(event.stop)));
        const back = random(2) === 0 || !Number.isSafeInteger(oldest) || oldest >= position;
        await (back ? other.stepBack(0) : other.travel(oldest + random(position - oldest)));
        const { reason } = await stopped;
        if (reason.kind === 'error') {
          assert.ok(TOLD.has(reason.code), `${what}: ${JSON.stringify(reason)}`);
          assert.equal(await other.stateHash(), before, `${what}: ${reason.description}; and yet something changed`);
          counts.told++;
        } else counts.gone++;
        // Whatever its past is: from where it stands it goes on.
        const ran = new Promise<Stop>((resolve) => other.on((event) => event.event === 'stopped' && resolve(event.stop)));
        await other.resume({ position: other.machine.position + RUN, unattended: true });
        const end = (await ran).reason;
        assert.ok(end.kind !== 'error' || end.code !== 'internal', `${what}: ${JSON.stringify(end)}`);
        await other.close();
      }
      console.log(`      ${PASTS} of seed ${SEED}: ${counts.refused} refused, ${counts.told} told when somebody went there, ${counts.gone} gone to`);
      assert.ok(counts.told > PASTS / 20 && counts.gone > PASTS / 20, JSON.stringify(counts));
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
