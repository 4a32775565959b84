/** The page's end of an RFB connection whose bytes go through the host: noVNC takes it for a WebSocket. */
import type { RfbChannel } from '@novnc/novnc';
import type { FromDisplay } from '../../adapter/protocol/display';

export class HostChannel implements RfbChannel {
  binaryType = 'arraybuffer';
  protocol = '';
  readyState = 'open';
  onopen: RfbChannel['onopen'] = null;
  onmessage: RfbChannel['onmessage'] = null;
  onclose: RfbChannel['onclose'] = null;
  onerror: RfbChannel['onerror'] = null;

  constructor(private readonly post: (message: FromDisplay) => void) {}

  send(data: ArrayBufferView | ArrayBuffer): void {
    if (this.readyState !== 'open') return;
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
    this.post({ kind: 'data', data: toBase64(bytes) });
  }

  /** Bytes of the server. They are used up when noVNC has had them. */
  receive(data: string): void {
    if (this.readyState !== 'open') return;
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    this.onmessage?.({ data: bytes.buffer });
    this.post({ kind: 'taken', bytes: bytes.length });
  }

  close(): void {
    this.end('');
  }

  /** The connection is over. */
  end(reason: string): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.onclose?.({ code: 1000, reason, wasClean: true });
  }
}

export function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}
