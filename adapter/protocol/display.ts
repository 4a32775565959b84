/** What the extension and the display's webview say to each other. Types alone. */

export type ToDisplay =
  /** `connected`: a guest with a screen is there; its name is shown. */
  | { readonly kind: 'session'; readonly connected: boolean; readonly name?: string }
  /** A new RFB connection begins; one that there was is over. */
  | { readonly kind: 'open' }
  /** Bytes of the RFB server, in base64. */
  | { readonly kind: 'data'; readonly data: string }
  | { readonly kind: 'closed'; readonly problem?: string };

export type FromDisplay =
  | { readonly kind: 'ready' }
  /** Bytes for the RFB server, in base64. */
  | { readonly kind: 'data'; readonly data: string }
  /** So many bytes of the server's have been used up. */
  | { readonly kind: 'taken'; readonly bytes: number }
  /** The picture as PNG, in base64, to be kept. */
  | { readonly kind: 'screenshot'; readonly png: string };
