import { i32, i64, i64c, select } from '../../wasm/expr';
import { define, system, type Definition, type Meaning } from '../definition';
import { AC, IF, IOPL, packFlags, RF, VM } from '../flags';
import { CPL, CR4, EFLAGS, MSR_KERNEL_GS_BASE, SEGMENTS, SEGMENT_SIZE, SEG_BASE, SEG_SELECTOR, TLB, TLB_SET, TLB_SET_SIZE } from '../layout';
import type { Stage } from '../stage';
import { CR4_FSGSBASE, CR4_SMAP } from '../vcpu';

const UD = 6;
const GP = 13;
const unprivileged = (s: Stage) => i64.ne(s.getState('u32', CPL), i64c(0));
const flagsState = (s: Stage) => s.getState('u64', EFLAGS);
const iopl = (s: Stage) => i64.and(i64.shrU(flagsState(s), i64c(12)), i64c(3));

const cli: Meaning = (s) => {
  s.faultIf(i64.gtU(s.getState('u32', CPL), iopl(s)), GP, 0);
  s.setState('u64', EFLAGS, i64.and(flagsState(s), i64c(~IF)));
};

/** PUSHF: VM and RF are pushed as 0; virtual-8086 mode wants IOPL 3. */
const pushf: Meaning = (s) => {
  const old = s.f.let(flagsState(s));
  s.faultIf(i32.and(i32.eqz(i64.eqz(i64.and(old, i64c(VM)))), i64.ne(i64.and(old, i64c(IOPL)), i64c(IOPL))), GP, 0);
  s.push(s.size, i64.or(i64.and(old, i64c(~(VM | RF))), packFlags(s.flags())));
};

const selector =
  (number: number): Meaning =>
  (s) =>
    s.push(s.size, s.getState('u16', SEGMENTS + number * SEGMENT_SIZE + SEG_SELECTOR));
const [ES, CS, SS, DS, FS, GS] = [0, 1, 2, 3, 4, 5] as const;

/** MOV from a segment register: zero-extended into a register, 16 bits into memory. */
const movFromSegment: Meaning = (s, to, from) => s.write(to!, s.read(from!));

/**
 * CLAC, STAC: around every access of a kernel to user memory. They choose the TLB set as deriveMode does,
 * at privilege 0, where alignment is not checked.
 */
const accessControl =
  (on: boolean): Meaning =>
  (s) => {
    s.faultIf(unprivileged(s), UD);
    s.setState('u64', EFLAGS, on ? i64.or(flagsState(s), i64c(AC)) : i64.and(flagsState(s), i64c(~AC)));
    const closed = i64c(TLB + TLB_SET_SIZE);
    const prevented = i64.ne(i64.and(s.getState('u64', CR4), i64c(CR4_SMAP)), i64c(0));
    s.setState('u32', TLB_SET, on ? select(prevented, i64c(TLB + 2 * TLB_SET_SIZE), closed) : closed);
  };

const baseOf = (number: number) => SEGMENTS + number * SEGMENT_SIZE + SEG_BASE;

const swapgs: Meaning = (s) => {
  s.faultIf(unprivileged(s), GP, 0);
  const base = s.f.let(s.getState('u64', baseOf(GS)));
  s.setState('u64', baseOf(GS), s.getState('u64', MSR_KERNEL_GS_BASE));
  s.setState('u64', MSR_KERNEL_GS_BASE, base);
};

const wantBases = (s: Stage) => s.faultIf(i64.eqz(i64.and(s.getState('u64', CR4), i64c(CR4_FSGSBASE))), UD);
const readBase =
  (number: number): Meaning =>
  (s, to) => {
    wantBases(s);
    s.write(to!, s.getState('u64', baseOf(number)));
  };
const writeBase =
  (number: number): Meaning =>
  (s, from) => {
    wantBases(s);
    const value = s.f.let(s.read(from!));
    // Canonical: bits 63–47 are all the same.
    s.faultIf(i64.ne(i64.shrS(i64.shl(value, i64c(16)), i64c(16)), value), GP, 0);
    s.setState('u64', baseOf(number), value);
  };

/** Caches are not modelled, and cached translations are always those of the tables: nothing to do. */
const privileged: Meaning = (s) => s.faultIf(unprivileged(s), GP, 0);

/** IRET: the usual return in 64-bit mode and in flat segments is a helper's, all else an ordinary function's. */
const iret: Meaning = (s) => {
  if (s.size === 64) s.f.if(s.helper('quickReturn'), () => s.resume());
  if (s.size === 32) s.f.if(s.helper('quickReturnFlat'), () => s.resume());
  s.host('iret');
};

const syscall: Meaning = (s) => {
  s.f.if(s.helper('quickSyscall', s.record()), () => s.resume());
  s.host('syscall');
};
/** Software interrupts through gates that are open to the privilege. */
const int: Meaning = (s) => {
  s.f.if(s.helper('quickInt', s.record()), () => s.resume());
  s.host('int');
};
/** SYSENTER and SYSEXIT: in flat segments of 32 bits. */
const sysenter: Meaning = (s) => {
  s.f.if(s.helper('quickSysenter'), () => s.resume());
  s.host('sysenter');
};
const sysexit: Meaning = (s) => {
  if (s.size === 32) s.f.if(s.helper('quickSysexit'), () => s.resume());
  s.host('sysexit');
};
/** STI: where no interrupt can be pending, nothing but flags changes. */
const sti: Meaning = (s) => {
  s.f.if(s.helper('quickSti', s.record()), () => s.resume());
  s.host('sti');
};
/** POPF: where no interrupt can be pending, and only arithmetic flags and IF change. */
const popf: Meaning = (s) => {
  if (s.size !== 16) s.f.if(s.helper('quickPopf', s.record()), () => s.resume());
  s.host('popf');
};
/** MOV to CR3: where nothing is refused. */
const movToControl: Meaning = (s) => {
  s.f.if(s.helper('quickMoveToControl', s.record()), () => s.resume());
  s.host('movtocr');
};
/** Segments of ordinary data, or none. */
const movToSegment: Meaning = (s) => {
  s.f.if(s.helper('quickMoveToSegment', s.record()), () => s.resume());
  s.host('movtosreg');
};
const popSegment =
  (name: string, number: number): Meaning =>
  (s) => {
    s.f.if(s.helper('quickPopSegment', s.record(), i32.const(number)), () => s.resume());
    s.host(name);
  };
const sysret: Meaning = (s) => {
  if (s.size === 64) s.f.if(s.helper('quickSysret'), () => s.resume());
  s.host('sysret');
};

/** Flags, control and debug registers, segments, far transfers, interrupts. */
export const systemControl: readonly Definition[] = [
  define('cli', ['FA'], cli),
  define('sti', ['FB : ends'], sti),
  define('pushf', ['9C : v o64 kind'], pushf),
  define('popf', ['9D : v o64 ends'], popf),
  define('clac', ['NP 0F 01 CA'], accessControl(false)),
  define('stac', ['NP 0F 01 CB'], accessControl(true)),
  system('hlt', ['F4']),

  system('movfromcr', ['0F 20 /r Ry,Cy : regonly o64']),
  define('movtocr', ['0F 22 /r Cy,Ry : regonly o64 ends'], movToControl),
  system('movfromdr', ['0F 21 /r Ry,Dy : regonly o64']),
  system('movtodr', ['0F 23 /r Dy,Ry : regonly o64']),
  system('clts', ['0F 06']),
  system('lmsw', ['0F 01 /6 Ew']),
  system('smsw', ['0F 01 /4 Ev']),
  define('invlpg', ['0F 01 /7 M : mem'], privileged),
  system('invpcid', ['66 0F 38 82 /r Gy,Mx : mem o64'], 'invpcid'),
  define('invd', ['0F 08'], privileged),
  define('wbinvd', ['0F 09'], privileged),

  define('movfromsreg', ['8C /r Ev,Sw : mod3', '8C /r Ew,Sw : mem'], movFromSegment),
  define('movtosreg', ['8E /r Sw,Ew : ends'], movToSegment),
  define('pushes', ['06 : v i64 kind'], selector(ES)),
  define('pushcs', ['0E : v i64 kind'], selector(CS)),
  define('pushss', ['16 : v i64 kind'], selector(SS)),
  define('pushds', ['1E : v i64 kind'], selector(DS)),
  define('pushfs', ['0F A0 : v o64 kind'], selector(FS)),
  define('pushgs', ['0F A8 : v o64 kind'], selector(GS)),
  define('popes', ['07 : v i64 ends'], popSegment('popes', ES)),
  system('popss', ['17 : v i64']),
  define('popds', ['1F : v i64 ends'], popSegment('popds', DS)),
  define('popfs', ['0F A1 : v o64 ends'], popSegment('popfs', FS)),
  define('popgs', ['0F A9 : v o64 ends'], popSegment('popgs', GS)),
  system('les', ['C4 /r Gv,M : i64 mem']),
  system('lds', ['C5 /r Gv,M : i64 mem']),
  system('lss', ['0F B2 /r Gv,M : mem']),
  system('lfs', ['0F B4 /r Gv,M : mem']),
  system('lgs', ['0F B5 /r Gv,M : mem']),
  system('sgdt', ['0F 01 /0 M : v mem']),
  system('sidt', ['0F 01 /1 M : v mem']),
  system('lgdt', ['0F 01 /2 M : v mem']),
  system('lidt', ['0F 01 /3 M : v mem']),
  system('sldt', ['0F 00 /0 Ev']),
  system('str', ['0F 00 /1 Ev']),
  system('lldt', ['0F 00 /2 Ew']),
  system('ltr', ['0F 00 /3 Ew']),
  system('verr', ['0F 00 /4 Ew']),
  system('verw', ['0F 00 /5 Ew']),
  system('lar', ['0F 02 /r Gv,Ew']),
  system('lsl', ['0F 03 /r Gv,Ew']),
  system('arpl', ['63 /r Ew,Gw : i64']),
  define('swapgs', ['NP 0F 01 F8 : only64'], swapgs),
  define('rdfsbase', ['F3 0F AE /0 Ry : mod3 only64'], readBase(FS)),
  define('rdgsbase', ['F3 0F AE /1 Ry : mod3 only64'], readBase(GS)),
  define('wrfsbase', ['F3 0F AE /2 Ry : mod3 only64'], writeBase(FS)),
  define('wrgsbase', ['F3 0F AE /3 Ry : mod3 only64'], writeBase(GS)),

  system('jmpf', ['EA Ap : v i64']),
  system('jmpfi', ['FF /5 M : v mem']),
  system('callf', ['9A Ap : v i64']),
  system('callfi', ['FF /3 M : v mem']),
  system('retf', ['CB : v', 'CA Iw : v']),

  define('int', ['CD Ib : ends'], int),
  system('int3', ['CC']),
  system('int1', ['F1']),
  system('into', ['CE : i64']),
  define('iret', ['CF : v ends'], iret),
  system('ud', ['0F 0B', '0F B9 /r Gv,Ev', '0F FF /r Gv,Ev']),
  define('syscall', ['0F 05 : ends'], syscall),
  define('sysret', ['0F 07 : v ends'], sysret),
  define('sysenter', ['0F 34 : ends'], sysenter),
  define('sysexit', ['0F 35 : v ends'], sysexit),
];
