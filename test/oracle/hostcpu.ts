/** What the processor under the oracle can do, from its CPUID (SDM volume 2, CPUID). */
export interface CpuidLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

type Register = 'ebx' | 'ecx' | 'edx';

/** Feature, leaf, register, bit. */
const FEATURES: readonly (readonly [name: string, leaf: number, register: Register, bit: number])[] = [
  ['fpu', 1, 'edx', 0],
  ['cx8', 1, 'edx', 8],
  ['cmov', 1, 'edx', 15],
  ['clfsh', 1, 'edx', 19],
  ['mmx', 1, 'edx', 23],
  ['fxsr', 1, 'edx', 24],
  ['sse', 1, 'edx', 25],
  ['sse2', 1, 'edx', 26],
  ['sse3', 1, 'ecx', 0],
  ['pclmulqdq', 1, 'ecx', 1],
  ['ssse3', 1, 'ecx', 9],
  ['cx16', 1, 'ecx', 13],
  ['sse4.1', 1, 'ecx', 19],
  ['sse4.2', 1, 'ecx', 20],
  ['movbe', 1, 'ecx', 22],
  ['popcnt', 1, 'ecx', 23],
  ['aes', 1, 'ecx', 25],
  ['xsave', 1, 'ecx', 26],
  ['rdrand', 1, 'ecx', 30],
  ['bmi1', 7, 'ebx', 3],
  ['bmi2', 7, 'ebx', 8],
  ['erms', 7, 'ebx', 9],
  ['adx', 7, 'ebx', 19],
  ['clflushopt', 7, 'ebx', 23],
  ['sha', 7, 'ebx', 29],
  ['bus-lock-detect', 7, 'ecx', 24],
  ['core-capabilities', 7, 'edx', 30],
  ['lahf', 0x80000001, 'ecx', 0],
  ['lzcnt', 0x80000001, 'ecx', 5],
  ['sse4a', 0x80000001, 'ecx', 6],
  ['prefetchw', 0x80000001, 'ecx', 8],
  ['nx', 0x80000001, 'edx', 20],
  ['rdtscp', 0x80000001, 'edx', 27],
  ['lm', 0x80000001, 'edx', 29],
];

export function hostFeatures(leaves: readonly CpuidLeaf[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [name, leaf, register, bit] of FEATURES) {
    const found = leaves.find((one) => one.leaf === leaf && one.subleaf === 0);
    if (found && (found[register] >>> bit) & 1) names.add(name);
  }
  return names;
}

/** The processor's name, for the record of a run. */
export function hostName(leaves: readonly CpuidLeaf[]): string {
  const words = [0x80000002, 0x80000003, 0x80000004].flatMap((number) => {
    const found = leaves.find(({ leaf }) => leaf === number);
    return found ? [found.eax, found.ebx, found.ecx, found.edx] : [];
  });
  const text = Buffer.from(new Uint32Array(words).buffer).toString('latin1');
  return text.replace(/\0.*$/, '').trim();
}

/** GenuineIntel, AuthenticAMD, … */
export function hostVendor(leaves: readonly CpuidLeaf[]): string {
  const first = leaves.find(({ leaf }) => leaf === 0);
  return first ? Buffer.from(new Uint32Array([first.ebx, first.edx, first.ecx]).buffer).toString('latin1') : '';
}

/**
 * Whether systems may make locked accesses that cross a line of the cache slow or a fault: processors by Intel that
 * tell them (SDM volume 3, "Features to Disable Bus Locks"). Under such a system one of them was seen to
 * take ten seconds, or to end in SIGBUS.
 */
export function throttlesSplitLocks(leaves: readonly CpuidLeaf[]): boolean {
  const features = hostFeatures(leaves);
  return hostVendor(leaves) === 'GenuineIntel' && (features.has('bus-lock-detect') || features.has('core-capabilities'));
}

/** Family as it is told of: 0x1a, … (SDM volume 2, CPUID, leaf 1). */
export function hostFamily(leaves: readonly CpuidLeaf[]): number {
  const eax = leaves.find(({ leaf }) => leaf === 1)?.eax ?? 0;
  const family = (eax >>> 8) & 0xf;
  return family === 0xf ? family + ((eax >>> 20) & 0xff) : family;
}

/**
 * Whether the processor is one that was seen to copy wrongly: REP MOVS with 16-bit addresses takes source and destination for apart, and copies
 * in blocks, where the upper halves of ESI or EDI are not 0, however near they are (an EPYC of family 1Ah, model 02h). With upper halves of 0
 * it is right.
 */
export const miscopiesNarrow = (leaves: readonly CpuidLeaf[]): boolean => hostVendor(leaves) === 'AuthenticAMD' && hostFamily(leaves) === 0x1a;
