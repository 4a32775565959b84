/** Small guests as flat binaries, loaded at 0x7C00 in real mode. Their sources are in the comments. */
import { readBinaries } from '../../../../emulator/machine/node';
import type { MachineConfig } from '../../../../emulator/machine/api';
import type { Images } from '../../../../emulator/machine/images';
import type { EngineBinaries } from '../../../../emulator/engine/wasm-module';

const code = (...hex: string[]): Uint8Array => Uint8Array.from(Buffer.from(hex.join(''), 'hex'));
const flat = (name: string, bytes: Uint8Array): Images => ({ kernel: { name, bytes } });

/**
 * Sets the PIC and the PIT up for an interrupt every 858 µs (vector 0x20), counts turns of a loop at
 * 0x600 and interrupts at 0x604; while bit 2 of that is set the loop halts (byte 0x602).
 *
 *   cli; xor ax,ax; mov ds,ax; mov ss,ax; mov sp,0x7000; mov word [0x80],isr; mov [0x82],ax
 *   ICW1-4 0x11 0x20 4 1, mask 0xFE; PIT control 0x34, count 0x400; sti
 *   loop: inc word [0x600]; test byte [0x602],1; jz loop; hlt; jmp loop
 *   isr: push ax; inc word [0x604]; mov al,0x20; out 0x20,al
 *        mov al,[0x604]; and al,4; shr al,2; mov [0x602],al; pop ax; iret
 */
export const TICKS = flat('ticks', code(
  'fa31c08ed88ed0bc0070c7068000427ca38200b011e620b020e621b004e621b001e621b0fee621b034e643b000e640b004e640fb',
  'ff060006f60602060174f5f4ebf2', '50ff060406b020e620a004062404c0e802a2020658cf',
)); // prettier-ignore
export const TICKS_LOOP = 0x7c34n;
export const TICKS_ISR = 0x7c42n;

/**
 * Echoes the serial line with bit 5 flipped, by polling; counts at 0x600 in a subroutine.
 *
 *   cli; xor ax,ax; mov ds,ax; mov dx,0x3f8
 *   again: add dx,5; wait: in al,dx; test al,1; jz wait; sub dx,5; in al,dx; xor al,0x20; out dx,al; call work; jmp again
 *   work: inc word [0x600]; ret
 */
export const ECHO = flat('echo', code('fa31c08ed8baf803', '83c205', 'eca80174fb83ea05ec3420eee80200ebec', 'ff060006c3'));
/** The same, after a prompt: mov al,'>'; out dx,al before `again`. */
export const PROMPT = flat('prompt', code('fa31c08ed8baf803', 'b03eee', '83c205', 'eca80174fb83ea05ec3420eee80200ebec', 'ff060006c3'));
export const ECHO_CALL = 0x7c17n;
export const ECHO_WORK = 0x7c1cn;

/** `ud2` with an empty vector table entry of length zero: lidt [0]; ud2. A triple fault. */
export const TRIPLE = flat('triple', code('fa31c08ed8', 'c70600060000', '0f011e0006', '0f0b'));
/**
 * Faults in every turn of its loop, whose handler steps over the instruction; an interrupt of the serial line (vector 0x24) adds where it came to
 * what it knows of the ones before, at 0x604, and counts at 0x602. A handler lets no interrupt in.
 *
 *   cli; xor ax,ax; mov ds,ax; mov ss,ax; mov sp,0x7000; vectors 6 and 0x24
 *   ICW1-4 0x11 0x20 4 1, mask 0xEF; IER 1, MCR 0xB; sti
 *   loop: ud2; inc word [0x600]; jmp loop
 *   ud: push bp; mov bp,sp; add word [bp+2],2; pop bp; iret
 *   irq: push ax; push bp; push dx; mov bp,sp; imul ax,[0x604],31; add ax,[bp+6]; mov [0x604],ax; inc word [0x602]
 *        mov dx,0x3f8; in al,dx; mov al,0x20; out 0x20,al; pop dx; pop bp; pop ax; iret
 */
export const FAULTS = flat('faults', code(
  'fa31c08ed88ed0bc0070', 'c7061800457ca31a00', 'c70690004e7ca39200', 'b011e620b020e621b004e621b001e621b0efe621', 'baf903b001eebafc03b00bee', 'fb',
  '0f0bff060006ebf8', '5589e5834602025dcf', '50555289e56b0604061f034606a30406ff060206', 'baf803ecb020e6205a5d58cf',
)); // prettier-ignore
export const FAULTS_HANDLER = 0x7c45n;
/** xor ax,ax; div al: a division by zero, whose handler is at 0:0 */
export const DIVIDE = flat('divide', code('31c0f6f0'));
/** cli; hlt */
export const DEAD = flat('dead', code('faf4'));
/**
 * Once each: mov ecx,0x10; rdmsr; wrmsr; mov eax,1; cpuid; mov eax,cr0; or al,1; mov cr0,eax; and al,0xfe; mov cr0,eax;
 * then for ever: mov al,[0x600]; out 0x80,al; inc byte [0x600]; jmp
 */
export const SYSTEM = flat('system', code(
  '66b910000000', '0f32', '0f30', '66b801000000', '0fa2', '0f20c0', '0c01', '0f22c0', '24fe', '0f22c0', 'a00006', 'e680', 'fe060006', 'ebf5',
)); // prettier-ignore
/** mov dx,0xf4; mov al,0x21; out dx,al; cli; hlt */
export const EXIT = flat('exit', code('baf400b021eefaf4'));
/** mov dx,0x404; mov ax,0x3400; out dx,ax (SLP_EN, S5); jmp $ */
export const OFF = flat('off', code('ba0404b80034efebfe'));
/** mov al,0xfe; out 0x64,al; jmp $: the keyboard controller pulls reset */
export const REBOOT = flat('reboot', code('b0fee664ebfe'));

/**
 * In protected mode at 1 MB: copies the code below to 0x8000, starts all other processors there by INIT and
 * SIPI, and counts at 0x608. The others count themselves at 0x600 and their turns at 0x604 until 0x610 is set.
 *
 *   mov esp,0x90000; mov esi,ap; mov edi,0x8000; mov ecx,23; rep movsb; mov ebx,0xfee00000
 *   mov dword [ebx+0xf0],0x1ff; mov dword [ebx+0x300],0xc4500; mov dword [ebx+0x300],0xc4608
 *   loop: inc dword [0x608]; jmp loop
 *   ap (16 bit): cli; xor ax,ax; mov ds,ax; lock inc word [0x600]; 1: inc dword [0x604]; cmp word [0x610],0; je 1b; hlt
 */
export const SMP = flat('smp', code(
  'bc00000900be41001000bf00800000b917000000f3a4bb0000e0fe', 'c783f0000000ff010000c7830003000000450c00c7830003000008460c00',
  'ff0508060000ebf8', 'fa31c08ed8f0ff06000666ff060406833e10060074f4f4',
)); // prettier-ignore
export const SMP_CONFIG = { loadAddress: 0x100000, loadMode: 'protected' } as const;

export const CONFIG: MachineConfig = {
  loadAddress: 0x7c00,
  loadMode: 'real',
  memory: 16 << 20,
  cpus: 1,
  startTime: Date.UTC(2025, 0, 1),
  framebuffer: false,
  historyBytes: 0,
  checkpointEvery: 1_000_000,
  debugExitPort: 0xf4,
};

let binaries: Promise<EngineBinaries> | undefined;
export const compiled = (): Promise<EngineBinaries> => (binaries ??= readBinaries());
