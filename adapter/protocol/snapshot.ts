/** What the extension and a snapshot's webview say to each other. Types alone; the contents are those of `guest snapshot inspect --json` and `diff --json`. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

export interface SnapshotChunk {
  readonly kind: string;
  readonly instance: string;
  readonly version: number;
  readonly mandatory: boolean;
  readonly fields: { readonly [name: string]: Json };
}

export interface SnapshotContents {
  readonly id: string;
  readonly format: number;
  readonly producer: string;
  readonly parent: { readonly id: string; readonly name: string } | null;
  /** `bytes` in the file, `unpacked` without compression. */
  readonly blobs: { readonly count: number; readonly bytes: number; readonly unpacked: number };
  readonly chunks: readonly SnapshotChunk[];
}

export interface SnapshotDifference {
  readonly where: string;
  readonly what: string;
  readonly before?: Json;
  readonly after?: Json;
  readonly about?: string;
  readonly bits?: readonly { readonly name: string; readonly before: string; readonly after: string }[];
}

/** What lies where; addresses as they are shown. */
export interface SnapshotRegion {
  readonly space: 'memory' | 'port';
  readonly first: string;
  readonly last: string;
  readonly owner: string;
}

export type ToSnapshot =
  | { readonly kind: 'contents'; readonly name: string; readonly contents: SnapshotContents }
  | { readonly kind: 'differences'; readonly before: string; readonly after: string; readonly differences: readonly SnapshotDifference[] }
  /** PNG in base64; `side` where two are compared. */
  | { readonly kind: 'picture'; readonly side: 'before' | 'after'; readonly png: string }
  | { readonly kind: 'map'; readonly regions: readonly SnapshotRegion[] }
  /** Lines of a hex dump. */
  | { readonly kind: 'memory'; readonly text: string }
  | { readonly kind: 'problem'; readonly of: 'contents' | 'map' | 'memory'; readonly text: string };

export type FromSnapshot =
  | { readonly kind: 'ready' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'compare' }
  | { readonly kind: 'memory'; readonly address: string; readonly linear: boolean };
