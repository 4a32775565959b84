/** The display as people write it, in launch configurations and on the command line; options have the names that bhyve's fbuf has. */
import { FBUF_LIMITS } from '../devices/fbuf';
import { LEGACY_VGA, type MachineConfig } from './api';
import type { Refuse } from './diskconfig';

const DEVICES = ['fbuf', 'vga', 'ramfb'] as const;
const DEFAULT_SIZE = { width: 1024, height: 768 } as const;
const [[LEAST_WIDTH, MOST_WIDTH], [LEAST_HEIGHT, MOST_HEIGHT]] = [FBUF_LIMITS.width, FBUF_LIMITS.height];
/** Where bhyve listens unless told. */
const PORT = '5900';
/** Options of the listener, which go with its address as they are. */
const LISTENER = /^(wait|password=.*|password-file=.*)$/;

export interface DisplayConfig extends Pick<MachineConfig, 'framebuffer' | 'display' | 'legacyVga'> {
  /** Where VNC viewers connect to, as the option for it is written. */
  readonly vnc?: string;
}

/** `WIDTHxHEIGHT`, `false`, or `fbuf|vga|ramfb[,w=][,h=][,vga=io|on|off][,rfb=[HOST:]PORT][,wait][,password=TEXT]`; `tcp=` is `rfb=`. */
export function displayConfig(value: unknown, refuse: Refuse): DisplayConfig {
  if (value === false) return { framebuffer: false };
  const [first = '', ...options] = typeof value === 'string' ? value.split(',') : [];
  const display = DEVICES.find((known) => known === first);
  if (!display) {
    const match = /^(\d+)x(\d+)$/.exec(typeof value === 'string' ? value : '');
    if (!match) return refuse(`${JSON.stringify(value)} is neither a resolution such as 1024x768, nor ${DEVICES.join(', ')}, nor false`);
    return { framebuffer: sizeOf(Number(match[1]), Number(match[2]), refuse) };
  }
  const size: { width: number; height: number } = { ...DEFAULT_SIZE };
  const listener: string[] = [];
  let [address, legacyVga]: [string?, MachineConfig['legacyVga']?] = [];
  for (const option of options) {
    const [name, text] = [option.split('=', 1)[0], option.slice(option.indexOf('=') + 1)];
    if (/^[wh]=\d+$/.test(option)) size[name === 'w' ? 'width' : 'height'] = Number(text);
    else if (name === 'vga' && option.includes('=')) {
      legacyVga = LEGACY_VGA.find((known) => known === text) ?? refuse(`vga=${text}: it is ${LEGACY_VGA.join(', ')}`);
    } else if ((name === 'rfb' || name === 'tcp') && option.includes('=')) {
      address = text || PORT;
    } else if (LISTENER.test(option)) listener.push(option);
    else refuse(`'${option}' is unknown; there are w=, h=, vga=, rfb=, tcp=, wait, password= and password-file=`);
  }
  if (legacyVga !== undefined && display !== 'fbuf') refuse(`vga= is fbuf's; display '${display}' is ${display === 'vga' ? 'a VGA itself' : 'without one'}`);
  if (listener.length > 0 && address === undefined) refuse(`'${listener[0]}' is of use with rfb=[HOST:]PORT only`);
  return {
    display,
    framebuffer: sizeOf(size.width, size.height, refuse),
    ...(legacyVga && { legacyVga }),
    ...(address !== undefined && { vnc: [address, ...listener].join(',') }),
  };
}

function sizeOf(width: number, height: number, refuse: Refuse): { readonly width: number; readonly height: number } {
  if (width < LEAST_WIDTH || width > MOST_WIDTH || height < LEAST_HEIGHT || height > MOST_HEIGHT)
    refuse(`${width}x${height} is not between ${LEAST_WIDTH}x${LEAST_HEIGHT} and ${MOST_WIDTH}x${MOST_HEIGHT}`);
  return { width, height };
}
