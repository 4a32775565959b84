/**
 * Holds the mouse (pointer lock): its movements go to the guest as distances, which a PS/2 mouse reports, with no edge of
 * the screen in the way. A click into the screen begins it; Escape, which the browser keeps for this, and the exit key end it.
 */
export interface MouseOptions {
  /** What is clicked into. */
  readonly stage: HTMLElement;
  /** Pixels of the page for one of the guest's. */
  readonly scale: () => number;
  readonly moved: (dx: number, dy: number, buttons: number, wheel: number) => void;
  readonly began: () => void;
  readonly ended: () => void;
  readonly refused: (problem: string) => void;
}

/** Pixels of scrolling for a notch of the wheel. */
const NOTCH = 50;

export class HeldMouse {
  /** Whether clicks hold it. */
  enabled = false;
  private held = false;
  private dx = 0;
  private dy = 0;
  private scrolled = 0;
  private buttons = 0;
  private due = false;

  constructor(private readonly options: MouseOptions) {
    const { stage, began, ended } = options;
    document.addEventListener('pointerlockchange', () => {
      const before = this.held;
      this.held = document.pointerLockElement === stage;
      if (this.held === before) return;
      if (this.held) return began();
      [this.dx, this.dy, this.scrolled] = [0, 0, 0];
      if (this.buttons !== 0) options.moved(0, 0, (this.buttons = 0), 0);
      ended();
    });
    for (const name of ['mousedown', 'mouseup', 'mousemove', 'wheel', 'click', 'contextmenu'] as const)
      stage.addEventListener(name, (event) => this.happened(event), { capture: true, passive: false });
  }

  get holds(): boolean {
    return this.held;
  }

  release(): void {
    if (this.held) document.exitPointerLock();
  }

  private hold(): void {
    const { stage, refused } = this.options;
    // Older engines give no promise.
    const asked = stage.requestPointerLock() as Promise<void> | undefined;
    asked?.catch((error: unknown) => refused(error instanceof Error ? error.message : String(error)));
  }

  /** Before noVNC, which would send places. */
  private happened(event: MouseEvent): void {
    if (!this.held && !this.enabled) return;
    event.stopPropagation();
    if (!this.held && event instanceof WheelEvent) return; // scrolls the page
    event.preventDefault();
    // What follows of the click that holds the mouse, and movements before it, are nothing for the guest.
    if (!this.held) return event.type === 'mousedown' ? this.hold() : undefined;
    if (event instanceof WheelEvent) this.scrolled += event.deltaY;
    else if (event.type === 'mousemove') [this.dx, this.dy] = [this.dx + event.movementX, this.dy + event.movementY];
    if (event.type === 'mousedown' || event.type === 'mouseup') {
      this.send();
      this.buttons = event.buttons & 0x1f;
      return this.options.moved(0, 0, this.buttons, 0);
    }
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      if (this.held) this.send();
    });
  }

  /** Whole pixels and notches; the rest waits. */
  private send(): void {
    const scale = this.options.scale() || 1;
    const [dx, dy, wheel] = [Math.trunc(this.dx / scale), Math.trunc(this.dy / scale), Math.trunc(this.scrolled / NOTCH)];
    if (dx === 0 && dy === 0 && wheel === 0) return;
    this.dx -= dx * scale;
    this.dy -= dy * scale;
    this.scrolled -= wheel * NOTCH;
    this.options.moved(dx, dy, this.buttons, wheel);
  }
}
