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
  /** Number of its branch, if that is not the current one. */
  readonly branch?: number;
  /** `guest/thumbnails` has its screen. */
  readonly picture?: boolean;
}

/** Something that happened: `count` inputs that came one after the other are one event. */
export interface TimelineEvent {
  readonly kind: 'input' | 'reset' | 'stop' | 'fault' | 'end';
  readonly position: number;
  readonly time: number;
  readonly count: number;
  readonly text: string;
}

/** A future that was left; restoring one of its checkpoints leads there again. */
export interface TimelineBranch {
  readonly number: number;
  readonly fork: number;
  readonly forkTime: number;
  readonly events: readonly TimelineEvent[];
}

export interface Timeline {
  readonly running: boolean;
  readonly position: number;
  readonly time: number;
  readonly oldest: number;
  readonly newest: number;
  readonly newestTime: number;
  readonly checkpoints: readonly Checkpoint[];
  readonly events: readonly TimelineEvent[];
  readonly branches: readonly TimelineBranch[];
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
  'guest/timeline': { arguments: Record<string, never>; body: Timeline };
  /** PNG in base64, of the checkpoints that have one. */
  'guest/thumbnails': { arguments: { ids: readonly number[] }; body: { thumbnails: readonly { id: number; png: string }[] } };
  /** Travels there where it is in the recorded history, else runs on as far as that. */
  'guest/runTo': { arguments: { position: number }; body: Record<string, never> };
  'guest/travel': { arguments: { position: number }; body: Record<string, never> };
  /** `frame` is absent while the guest has no screen. */
  'guest/frame': { arguments: { since?: number }; body: { frame?: DisplayFrame } };
  /** KeyboardEvent.code values; each is pressed or released in turn. */
  'guest/key': { arguments: { code: string; down: boolean } | { chord: readonly string[] }; body: Record<string, never> };
  /** To a place of the screen, or by a distance, in pixels; `buttons` as MouseEvent has them. */
  'guest/pointer': {
    arguments: ({ x: number; y: number } | { dx: number; dy: number }) & { buttons: number; wheel?: number };
    body: Record<string, never>;
  };
  /** Types text as on a US keyboard; `skipped` are the characters that it does not have. */
  'guest/type': { arguments: { text: string }; body: { skipped: string } };
  /** The characters that the screen shows, or that can be read from its dots; absent where there are none. */
  'guest/screenText': { arguments: Record<string, never>; body: { text?: string } };
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
