/** A disk whose boot sector says hello and starts a small bzImage as the boot sector of a floppy would: setup at 0x7E00, the rest at 0x10000. */

const SECTOR = 512;
const CODE_LENGTH = 0x3a;
const ORIGIN = 0x7c00;
/** Sectors in one call of the BIOS: less than 64 KiB. */
const PIECE = 56;
const PAYLOAD_SEGMENT = 0x1000;

/** Disk address packet of INT 13h, AH=42h. */
function packet(count: number, segment: number, offset: number, sector: number): Buffer {
  const bytes = Buffer.alloc(16);
  [16, count, offset, segment, sector].forEach((value, index) => bytes.writeUInt16LE(value, 2 * index));
  return bytes;
}

export function bootDisk(image: Uint8Array, greeting: string): Uint8Array {
  const setup = image[0x1f1]!;
  const payload = Math.ceil(image.length / SECTOR) - 1 - setup;
  const pieces = Array.from({ length: Math.ceil(payload / PIECE) }, (_, i) =>
    packet(PIECE, PAYLOAD_SEGMENT + (i * PIECE * SECTOR) / 16, 0, 2 + setup + i * PIECE),
  );
  const message = Buffer.from(`${greeting}\r\n\0`, 'latin1');
  const packets = Buffer.concat([packet(setup, 0, ORIGIN + SECTOR, 2), ...pieces]);
  const at = ORIGIN + CODE_LENGTH + message.length;
  const word = (value: number): string => Buffer.from([value & 0xff, value >> 8]).toString('hex');
  const code = Buffer.from(
    [
      '31c0 8ed8 8ed0 bc007c', // xor ax,ax; mov ds,ax; mov ss,ax; mov sp,0x7c00
      `be${word(ORIGIN + CODE_LENGTH)} ac 84c0 7409 b40e bb0700 cd10 ebf2`, // mov si,message; 1: lodsb; test al,al; jz 2f; mov ah,0xe; mov bx,7; int 0x10; jmp 1b
      `be${word(at)} b442 cd13 72fe 83c610 81fe${word(at + packets.length)} 72f1`, // 2: mov si,packets; 3: mov ah,0x42; int 0x13; jc .; add si,16; cmp si,end; jb 3b
      '66c706147e00000100 ea0000e007', // mov dword [0x7e14],0x10000 (code32_start); jmp 0x7e0:0
    ]
      .join('')
      .replaceAll(' ', ''),
    'hex',
  );
  const disk = Buffer.alloc(1 << 20);
  disk.set(Buffer.concat([code, message, packets]));
  disk.set([0x55, 0xaa], SECTOR - 2);
  disk.set(image, SECTOR);
  return disk;
}
