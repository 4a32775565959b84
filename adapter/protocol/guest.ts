/**
 * What the adapter, the extension and the webviews say to each other beside DAP: custom requests
 * `guest/…` and custom events `guest/…`. Types alone; everything here is plain JSON. Numbers that may
 * exceed 2^53 travel as hexadecimal strings.
 */

export interface Checkpoint {
  readonly id: number;
  /** Instructions retired since power-on. */
  readonly position: number;
  /** Nanoseconds of virtual time. */
  readonly time: number;
  readonly name?: string;
  readonly bytes: number;
  readonly kept: boolean;
}

export interface GuestStatus {
  readonly running: boolean;
  readonly position: number;
  readonly time: number;
  readonly oldest: number;
  readonly newest: number;
  readonly mips: number;
  readonly historyBytes: number;
}

/** A changed part of the screen. */
export interface DisplayRectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Red, green, blue, 255 for each pixel, row by row; deflated (zlib format), then base64. */
  readonly data: string;
}

export interface DisplayFrame {
  /** Names this frame: pass it as `since` to get only what changed after it. */
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly rectangles: readonly DisplayRectangle[];
}

/** Custom requests: arguments and response body of each. */
export interface GuestRequests {
  'guest/checkpoint': { arguments: { name?: string }; body: Checkpoint };
  'guest/checkpoints': { arguments: Record<string, never>; body: { checkpoints: readonly Checkpoint[]; position: number } };
  'guest/restore': { arguments: { id: number }; body: Record<string, never> };
  'guest/travel': { arguments: { position: number }; body: Record<string, never> };
  /** `frame` is absent while the guest has no screen. */
  'guest/frame': { arguments: { since?: number }; body: { frame?: DisplayFrame } };
  /** KeyboardEvent.code values; each is pressed or released in turn. */
  'guest/key': { arguments: { code: string; down: boolean } | { chord: readonly string[] }; body: Record<string, never> };
  'guest/pointer': { arguments: { x: number; y: number; buttons: number; wheel?: number }; body: Record<string, never> };
  /**
   * An RFB connection to the guest's screen, under a number that the client chooses. What the server sends comes in
   * `guest/rfbData` events; `guest/rfbTaken` tells how much of it has been used up: only then more comes.
   */
  'guest/rfbOpen': { arguments: { client: number }; body: Record<string, never> };
  /** `data`: base64. */
  'guest/rfbSend': { arguments: { client: number; data: string }; body: Record<string, never> };
  'guest/rfbTaken': { arguments: { client: number; bytes: number }; body: Record<string, never> };
  'guest/rfbClose': { arguments: { client: number }; body: Record<string, never> };
  'guest/serialInput': { arguments: { text: string; port?: number }; body: Record<string, never> };
  /** A snapshot of now; it carries the past too, where the guest keeps one, unless `history` is false. */
  'guest/save': { arguments: { path: string; history?: boolean }; body: { path: string } };
  'guest/status': { arguments: Record<string, never>; body: GuestStatus };
  /** How numbers are shown in Variables and Watch from now on. */
  'guest/format': { arguments: { radix: 10 | 16 }; body: Record<string, never> };
  'guest/stateHash': { arguments: Record<string, never>; body: { hash: string } };
}
export type GuestRequest = keyof GuestRequests;

/** Custom events and their bodies. */
export interface GuestEvents {
  /** The serial line, beside the `output` events: for terminals that want raw bytes. */
  'guest/serial': { readonly port: number; readonly data: string };
  /** What the RFB server sends, in base64, and the end of a connection, with what was wrong if something was. */
  'guest/rfbData': { readonly client: number; readonly data: string };
  'guest/rfbClosed': { readonly client: number; readonly problem?: string };
  'guest/checkpointsChanged': Record<string, never>;
  /** The guest has a screen, or no longer has one. */
  'guest/display': { readonly available: boolean };
}
export type GuestEventName = keyof GuestEvents;
