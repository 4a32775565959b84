import type { Line } from '../bus/device';

/** An ISA interrupt of the PIT or the RTC, and in legacy replacement mode of the HPET (IA-PC HPET 1.0a, 2.3.5). */
export class LegacyRoute {
  /** What the chip asserts, whether it gets through or not. Derived from the chip's state. */
  private level = false;
  private replaced = false;

  constructor(readonly input: Line) {}

  readonly chip: Line = {
    set: (level) => {
      this.level = level;
      if (!this.replaced) this.input.set(level);
    },
  };

  /** The chip is cut off from the input, or has it again. */
  replace(replaced: boolean): void {
    this.replaced = replaced;
    this.input.set(!replaced && this.level);
  }
}
