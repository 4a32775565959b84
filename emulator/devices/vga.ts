/**
 * VGA's ports 0x3B4, 0x3B5, 0x3BA and 0x3C0-0x3DF: four indexed register files, the DAC and the status of the beam, which is
 * a function of virtual time (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem").
 */
import type { Nanoseconds } from '../bus/device';
import { BytePorts } from './byteports';
import { beamAt } from './vgatiming';
import { ATTRIBUTE, CRTC, GRAPHICS, SEQUENCER, type VgaState } from './vgaregisters';

const PORT = {
  CRTC_INDEX_MONO: 0x3b4, CRTC_DATA_MONO: 0x3b5, STATUS_1_MONO: 0x3ba, ATTRIBUTE: 0x3c0, ATTRIBUTE_READ: 0x3c1, MISCELLANEOUS: 0x3c2, SEQUENCER_INDEX: 0x3c4,
  SEQUENCER_DATA: 0x3c5, DAC_MASK: 0x3c6, DAC_READ: 0x3c7, DAC_WRITE: 0x3c8, DAC_DATA: 0x3c9, FEATURE_READ: 0x3ca, MISCELLANEOUS_READ: 0x3cc, GRAPHICS_INDEX: 0x3ce,
  GRAPHICS_DATA: 0x3cf, CRTC_INDEX: 0x3d4, CRTC_DATA: 0x3d5, STATUS_1: 0x3da,
} as const; // prettier-ignore
/** Ranges of ports that VGA decodes; which of 0x3Bx and 0x3Dx answer is up to the miscellaneous output register. */
export const VGA_PORTS = [
  [0x3b4, 2],
  [0x3ba, 1],
  [0x3c0, 0x20],
] as const;

const COLOR = 0x01;
const PROTECT = 0x80;
const PROTECTED = 8;
const OVERFLOW = 0x07;
const LC8 = 0x10;
/** Bits 5 and 6 of an attribute index; bit 5 is PAS. */
const ATTRIBUTE_INDEX = 0x3f;
const PALETTE = 0x10;
const SWITCH_SENSE = 0x10;
const STATUS = { DISPLAY_OFF: 0x01, VERTICAL_RETRACE: 0x08 } as const;
/** What reads as DAC state at 0x3C7. */
const DAC_STATE = { write: 0, read: 3 } as const;

export class VgaPorts extends BytePorts {
  constructor(
    private readonly state: () => VgaState,
    private readonly now: () => Nanoseconds,
    /** Bits of a color: 6, or 8 where VBE asked for them. */
    private readonly colorMask: () => number = () => 0x3f,
  ) {
    super();
  }

  protected readByte(port: number): number {
    const state = this.state();
    if (!this.decodes(port)) return 0xff;
    switch (port) {
      case PORT.ATTRIBUTE:
        return state.attributeIndex;
      case PORT.ATTRIBUTE_READ:
        return this.readAttribute(state.attributeIndex & 0x1f);
      case PORT.MISCELLANEOUS: // input status 0: a color monitor is there
        return SWITCH_SENSE;
      case PORT.SEQUENCER_INDEX:
        return state.sequencerIndex;
      case PORT.SEQUENCER_DATA:
        return read(SEQUENCER, state.sequencer, state.sequencerIndex);
      case PORT.DAC_MASK:
        return state.dacMask;
      case PORT.DAC_READ:
        return DAC_STATE[state.dacState];
      case PORT.DAC_WRITE:
        return state.dacIndex;
      case PORT.DAC_DATA:
        return this.readDac();
      case PORT.FEATURE_READ:
        return state.feature;
      case PORT.MISCELLANEOUS_READ:
        return state.miscellaneous;
      case PORT.GRAPHICS_INDEX:
        return state.graphicsIndex;
      case PORT.GRAPHICS_DATA:
        return read(GRAPHICS, state.graphics, state.graphicsIndex);
      case PORT.CRTC_INDEX:
      case PORT.CRTC_INDEX_MONO:
        return state.crtcIndex;
      case PORT.CRTC_DATA:
      case PORT.CRTC_DATA_MONO:
        return read(CRTC, state.crtc, state.crtcIndex);
      case PORT.STATUS_1:
      case PORT.STATUS_1_MONO: {
        state.attributeData = false;
        const { displayed, verticalRetrace } = beamAt(state, this.now());
        return (displayed ? 0 : STATUS.DISPLAY_OFF) | (verticalRetrace ? STATUS.VERTICAL_RETRACE : 0);
      }
      default:
        return 0xff;
    }
  }

  protected writeByte(port: number, value: number): void {
    const state = this.state();
    if (!this.decodes(port)) return;
    switch (port) {
      case PORT.ATTRIBUTE:
        if (state.attributeData) this.writeAttribute(state.attributeIndex & 0x1f, value);
        else state.attributeIndex = value & ATTRIBUTE_INDEX;
        state.attributeData = !state.attributeData;
        break;
      case PORT.MISCELLANEOUS:
        state.miscellaneous = value & 0xef;
        break;
      case PORT.SEQUENCER_INDEX:
        state.sequencerIndex = value & 0x07;
        break;
      case PORT.SEQUENCER_DATA:
        write(SEQUENCER, state.sequencer, state.sequencerIndex, value);
        break;
      case PORT.DAC_MASK:
        state.dacMask = value;
        break;
      case PORT.DAC_READ:
      case PORT.DAC_WRITE:
        Object.assign(state, { dacIndex: value, dacComponent: 0, dacState: port === PORT.DAC_READ ? 'read' : 'write' });
        break;
      case PORT.DAC_DATA:
        this.writeDac(value & this.colorMask());
        break;
      case PORT.GRAPHICS_INDEX:
        state.graphicsIndex = value & 0x0f;
        break;
      case PORT.GRAPHICS_DATA:
        write(GRAPHICS, state.graphics, state.graphicsIndex, value);
        break;
      case PORT.CRTC_INDEX:
      case PORT.CRTC_INDEX_MONO:
        state.crtcIndex = value & 0x3f;
        break;
      case PORT.CRTC_DATA:
      case PORT.CRTC_DATA_MONO:
        this.writeCrtc(state.crtcIndex, value);
        break;
      case PORT.STATUS_1:
      case PORT.STATUS_1_MONO:
        state.feature = value & 0x0b;
        break;
      default: // nothing there takes writes
        break;
    }
  }

  private decodes(port: number): boolean {
    if (port >= 0x3c0 && port < 0x3d0) return true;
    return port >= 0x3d0 === ((this.state().miscellaneous & COLOR) !== 0);
  }

  private writeCrtc(index: number, value: number): void {
    const { crtc } = this.state();
    if (index < PROTECTED && crtc.verticalRetraceEnd & PROTECT) {
      // Split screens have to go on: line compare is not protected.
      if (index === OVERFLOW) crtc.overflow = (crtc.overflow & ~LC8) | (value & LC8);
      return;
    }
    write(CRTC, crtc, index, value);
  }

  private readAttribute(index: number): number {
    const { attribute } = this.state();
    return index < PALETTE ? attribute.palette[index]! : read(ATTRIBUTE, attribute, index - PALETTE);
  }

  private writeAttribute(index: number, value: number): void {
    const { attribute } = this.state();
    if (index < PALETTE) attribute.palette[index] = value & 0x3f;
    else write(ATTRIBUTE, attribute, index - PALETTE, value);
  }

  private readDac(): number {
    const state = this.state();
    const value = state.dac[3 * state.dacIndex + state.dacComponent]!;
    this.nextComponent();
    return value;
  }

  /** A color changes when its blue comes. */
  private writeDac(value: number): void {
    const state = this.state();
    if (state.dacComponent < 2) state.dacHeld[state.dacComponent] = value;
    else state.dac.set([...state.dacHeld, value], 3 * state.dacIndex);
    this.nextComponent();
  }

  private nextComponent(): void {
    const state = this.state();
    state.dacComponent = (state.dacComponent + 1) % 3;
    if (state.dacComponent === 0) state.dacIndex = (state.dacIndex + 1) & 0xff;
  }
}

interface Register<Name> {
  readonly name: Name;
  readonly mask: number;
}
type Registers<Name extends string> = Record<Name, number>;

/** Registers that don't exist read as 0. */
const read = <Name extends string>(file: readonly Register<Name>[], state: Registers<Name>, index: number): number => {
  const register = file[index];
  return register ? state[register.name] : 0;
};
const write = <Name extends string>(file: readonly Register<Name>[], state: Registers<Name>, index: number, value: number): void => {
  const register = file[index];
  if (register) (state as Record<string, number>)[register.name] = value & register.mask;
};
