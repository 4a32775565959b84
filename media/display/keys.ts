/** Which keys the guest believes to be down: none may stay so when the webview loses them. */
export class Keys {
  private readonly down = new Set<string>();

  constructor(private readonly send: (code: string, down: boolean) => void) {}

  /** `code` is KeyboardEvent.code. The guest's keyboard repeats by itself. */
  event(code: string, down: boolean, repeat: boolean): void {
    if (code === '' || repeat || this.down.has(code) === down) return;
    if (down) this.down.add(code);
    else this.down.delete(code);
    this.send(code, down);
  }

  releaseAll(): void {
    for (const code of [...this.down].reverse()) this.event(code, false, false);
  }
}
