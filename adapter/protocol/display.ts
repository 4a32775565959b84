/** What the extension and the display's webview say to each other. Types alone. */
import type { DisplayFrame } from './guest';

export type ToDisplay =
  /** `connected`: a guest with a screen is there; its name is shown. */
  { readonly kind: 'session'; readonly connected: boolean; readonly name?: string } | { readonly kind: 'frame'; readonly frame: DisplayFrame };

export type FromDisplay =
  | { readonly kind: 'ready' }
  /** The frame is painted; the next one may come. A frame that can't be built upon asks for a whole one: `sequence` is absent then. */
  | { readonly kind: 'painted'; readonly sequence?: number }
  | { readonly kind: 'key'; readonly code: string; readonly down: boolean }
  | { readonly kind: 'chord'; readonly codes: readonly string[] }
  | { readonly kind: 'pointer'; readonly x: number; readonly y: number; readonly buttons: number; readonly wheel: number };
