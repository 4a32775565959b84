/** The USB host controller and what is plugged into it. */
import type { Device, DeviceContext } from '../bus/device';
import { UsbKeyboard } from '../devices/usbkeyboard';
import { UsbTablet } from '../devices/usbtablet';
import { Xhci } from '../devices/xhci';
import { FIRST_USB2_PORT } from '../devices/xhciregisters';
import type { MachineConfig, UsbDeviceName } from './api';
import type { PciChip } from './virtio';

const SLOT = 3;
const PORT: Readonly<Record<UsbDeviceName, number>> = { tablet: FIRST_USB2_PORT, keyboard: FIRST_USB2_PORT + 1 };

/** Input devices on USB. They take keys and pointer while the guest's driver asks them for reports. */
export class Usb {
  readonly chip: PciChip;
  readonly devices: readonly Device[];
  private readonly host: Xhci;
  private readonly keyboard: UsbKeyboard | undefined;
  private readonly tablet: UsbTablet | undefined;

  constructor(names: readonly UsbDeviceName[], context: DeviceContext, memory: number, msi: (address: number, data: number) => void) {
    this.tablet = names.includes('tablet') ? new UsbTablet(context) : undefined;
    this.keyboard = names.includes('keyboard') ? new UsbKeyboard(context) : undefined;
    this.host = new Xhci(context, {
      devices: { ...(this.tablet && { [PORT.tablet]: this.tablet.usb }), ...(this.keyboard && { [PORT.keyboard]: this.keyboard.usb }) },
      reachable: (address, length) => address + length <= memory,
      msi,
    });
    this.chip = { slot: SLOT, chip: this.host };
    this.devices = [this.host, ...(this.tablet ? [this.tablet] : []), ...(this.keyboard ? [this.keyboard] : [])];
  }

  /** The tablet, if the guest's driver asks it. */
  get pointer(): UsbTablet | undefined {
    return this.host.drives(PORT.tablet) ? this.tablet : undefined;
  }
  /** The keyboard, if the guest's driver asks it. */
  get keys(): UsbKeyboard | undefined {
    return this.host.drives(PORT.keyboard) ? this.keyboard : undefined;
  }
  /** Whether it drives it or not: a key that is down has to come up. */
  release(code: string): void {
    this.keyboard?.key(code, false);
  }
}

/** Undefined where the configuration asks for nothing on USB. */
export function usbOf({ usb = [], memory }: MachineConfig, context: DeviceContext, msi: (address: number, data: number) => void): Usb | undefined {
  return usb.length > 0 ? new Usb(usb, context, memory, msi) : undefined;
}
