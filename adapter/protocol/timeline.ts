/** What the extension and the timeline's webview say to each other. Types alone. */
import type { Timeline } from './guest';

export type ToTimeline =
  | { readonly kind: 'timeline'; readonly timeline: Timeline }
  /** PNG in base64, by checkpoint. */
  | { readonly kind: 'thumbnails'; readonly thumbnails: readonly { readonly id: number; readonly png: string }[] }
  /** No guest is being debugged, or it keeps no history. */
  | { readonly kind: 'nothing' };

export type FromTimeline =
  | { readonly kind: 'ready' }
  /** Thumbnails are wanted of these checkpoints. */
  | { readonly kind: 'thumbnails'; readonly ids: readonly number[] }
  | { readonly kind: 'restore'; readonly id: number }
  /** Back or forth in what is recorded. */
  | { readonly kind: 'travel'; readonly position: number }
  /** On, into what has not happened yet. */
  | { readonly kind: 'runTo'; readonly position: number }
  /** A name is asked for; the guest travels there first. */
  | { readonly kind: 'bookmark'; readonly position: number };
