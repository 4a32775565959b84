/** What the extension and the display's webview say to each other. Types alone. */

/** What the panel keeps from one time to the next. */
export interface DisplaySettings {
  /** How large the guest's pixels are; `fit`: so that the whole screen is seen. */
  readonly scale: 'fit' | number;
  /** A click holds the mouse, which moves by distances then: for guests without a tablet. */
  readonly holdMouse: boolean;
}

export type ToDisplay =
  | { readonly kind: 'settings'; readonly settings: DisplaySettings }
  /** `connected`: a guest with a screen is there; its name is shown. */
  | { readonly kind: 'session'; readonly connected: boolean; readonly name?: string }
  /** The guest goes on, or stands still. */
  | { readonly kind: 'state'; readonly running: boolean }
  /** A new RFB connection begins; one that there was is over. */
  | { readonly kind: 'open' }
  /** Bytes of the RFB server, in base64. */
  | { readonly kind: 'data'; readonly data: string }
  | { readonly kind: 'closed'; readonly problem?: string };

export type FromDisplay =
  | { readonly kind: 'ready' }
  | { readonly kind: 'settings'; readonly settings: DisplaySettings }
  /** Bytes for the RFB server, in base64. */
  | { readonly kind: 'data'; readonly data: string }
  /** So many bytes of the server's have been used up. */
  | { readonly kind: 'taken'; readonly bytes: number }
  /** The mouse that is held has moved, in pixels of the guest; `buttons` as MouseEvent has them. */
  | { readonly kind: 'mouse'; readonly dx: number; readonly dy: number; readonly buttons: number; readonly wheel: number }
  /** A picture, or many of them, in one PNG file, in base64, to be kept. */
  | { readonly kind: 'screenshot' | 'recording'; readonly png: string }
  /** The text of the clipboard is to be typed. */
  | { readonly kind: 'paste' }
  /** The text of the screen is to be put into the clipboard. */
  | { readonly kind: 'copyText' }
  /** To the full screen or back from it, where the page can't do so itself. */
  | { readonly kind: 'fullScreen' }
  /** How wide the page is now. */
  | { readonly kind: 'resized'; readonly width: number };
