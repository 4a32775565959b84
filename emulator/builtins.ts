/**
 * Modules of Node that most runs do without: loaded at their first use. In a thread whose V8 has flags of its own (machine/v8flags.ts) Node's cache of them
 * does not count, and to compile one takes up to 14 ms.
 */
export const nodeCrypto = (): typeof import('node:crypto') => process.getBuiltinModule('node:crypto');
export const nodeDgram = (): typeof import('node:dgram') => process.getBuiltinModule('node:dgram');
export const nodeDns = (): typeof import('node:dns') => process.getBuiltinModule('node:dns');
export const nodeHttp = (): typeof import('node:http') => process.getBuiltinModule('node:http');
export const nodeNet = (): typeof import('node:net') => process.getBuiltinModule('node:net');
