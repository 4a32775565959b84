/** Entry of a thread that packs blobs. Its answer lies in one piece of memory, which is handed over as the batch was. */
import { parentPort } from 'node:worker_threads';
import { blobsOf, packBlobSync, type Stored } from './blobs';
import type { PackReply, PackRequest } from './packer';

parentPort?.on('message', ({ id, batch }: PackRequest) => {
  const packed = blobsOf(batch).map((each) => packBlobSync(each));
  const all = new Uint8Array(packed.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  const stored = packed.map(({ codec, size, data }): Stored => {
    all.set(data, at);
    return { codec, size, data: all.subarray(at, (at += data.length)) };
  });
  const reply: PackReply = { id, packed: { bytes: batch.bytes, stored } };
  parentPort?.postMessage(reply, [all.buffer, batch.bytes.buffer]);
});
