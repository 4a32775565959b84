import { i32, i64, i64c } from '../../wasm/expr';
import { define, system, type Definition, type Meaning } from '../definition';
import { CPL, CR4, MSR_TSC_AUX } from '../layout';
import { RAX, RCX, RDX, type Operand, type Stage } from '../stage';

const GP = 13;
const TSD = 4n;

/** RDTSC: for the operating system alone where CR4.TSD is set. */
function readTimestamp(s: Stage): void {
  const forbidden = i64.ne(i64.and(s.getState('u64', CR4), i64c(TSD)), i64c(0));
  s.faultIf(i32.and(forbidden, i64.ne(s.getState('u32', CPL), i64c(0))), GP, 0);
  const value = s.f.let(s.timestamp());
  s.setRegister(RAX, 32, value);
  s.setRegister(RDX, 32, i64.shrU(value, i64c(32)));
}
const rdtscp: Meaning = (s) => {
  readTimestamp(s);
  s.setRegister(RCX, 32, s.getState('u32', MSR_TSC_AUX));
};

/** The port that an operand names: a byte of the instruction, or DX. */
const portOf = (s: Stage, port: Operand) => i32.wrap(i64.and(s.read(port), i64c(port.kind === 'immediate' ? 0xff : 0xffff)));

/** IN and OUT: at privilege 0 in flat code a helper's, all else an ordinary function's. */
const input =
  (name: string): Meaning =>
  (s, _to, port) => {
    s.f.if(s.helper('quickIn', s.record(), portOf(s, port!)), () => s.resume());
    s.host(name);
  };
const output =
  (name: string): Meaning =>
  (s, port, from) => {
    s.f.if(s.helper('quickOut', s.record(), portOf(s, port!), s.place(from!)), () => s.resume());
    s.host(name);
  };

/** Identification, model-specific registers, ports, extended state, and what only old code uses. */
export const systemPlatform: readonly Definition[] = [
  system('cpuid', ['0F A2']),
  system('rdmsr', ['0F 32']),
  system('wrmsr', ['0F 30']),
  define('rdtsc', ['0F 31 : ends apart'], (s) => readTimestamp(s)),
  define('rdtscp', ['0F 01 F9 : ends apart'], rdtscp),
  system('rdpmc', ['0F 33']),

  define('inimm', ['E4 AL,Ib : ends', 'E5 rAX,Ib : ends'], input('inimm')),
  define('indx', ['EC AL,DX : ends', 'ED rAX,DX : ends'], input('indx')),
  define('outimm', ['E6 Ib,AL : ends', 'E7 Ib,rAX : ends'], output('outimm')),
  define('outdx', ['EE DX,AL : b ends', 'EF DX,rAX : v ends'], output('outdx')),

  system('fxsave', ['NP 0F AE /0 M : mem w0', 'NP 0F AE /0 Mq : mem w1']),
  system('fxrstor', ['NP 0F AE /1 M : mem w0', 'NP 0F AE /1 Mq : mem w1']),
  system('fnstenv', ['D9 /6 M : v mem'], 'x87'),
  system('fldenv', ['D9 /4 M : v mem'], 'x87'),
  system('fnsave', ['DD /6 M : v mem'], 'x87'),
  system('frstor', ['DD /4 M : v mem'], 'x87'),
  system('xsave', ['NP 0F AE /4 M : mem w0', 'NP 0F AE /4 Mq : mem w1']),
  system('xrstor', ['NP 0F AE /5 M : mem w0', 'NP 0F AE /5 Mq : mem w1']),
  system('xsaveopt', ['NP 0F AE /6 M : mem w0', 'NP 0F AE /6 Mq : mem w1']),
  system('xgetbv', ['NP 0F 01 D0']),
  system('xsetbv', ['NP 0F 01 D1']),

  system('pusha', ['60 : v i64']),
  system('popa', ['61 : v i64']),
  system('enter', ['C8 Iw,Ib : v o64']),
  system('bound', ['62 /r Gv,M : i64 mem']),
  system('aaa', ['37 : i64']),
  system('aas', ['3F : i64']),
  system('daa', ['27 : i64']),
  system('das', ['2F : i64']),
  system('aam', ['D4 Ib : i64']),
  system('aad', ['D5 Ib : i64']),
  system('salc', ['D6 : i64']),
];
