/** What may import what; docs/architecture.md says why. */
'use strict';

const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
const room = (name) => `^emulator/${name}/`;

/** Each room of the emulator with the rooms that it may import from; itself, errors.ts, thread.ts and builtins.ts go without saying. */
const ROOMS = {
  wasm: [],
  bus: [],
  x86: ['wasm'],
  devices: ['bus'],
  network: ['bus'],
  display: ['bus'],
  firmware: ['bus', 'x86'],
  storage: ['bus'],
  engine: ['bus', 'x86', 'wasm'],
  kvm: ['bus', 'x86', 'engine'],
  snapshot: ['bus', 'network', 'storage', 'x86'],
  machine: ['bus', 'devices', 'display', 'engine', 'firmware', 'kvm', 'network', 'snapshot', 'storage', 'x86', 'wasm'],
  cli: ['machine', 'snapshot'],
};

/** What a room may see beyond the rooms above: the machine's contract with what it is wired from, its registers' table and state's copies. */
const CONTRACTS = {
  snapshot: ['^emulator/machine/(api|history|machine|state|journal|hash|local|registers|encode|pages|told)\\.ts$'],
  // Symbols of kernels.
  cli: ['^emulator/firmware/(elf|systemmap)\\.ts$'],
};

const rooms = Object.entries(ROOMS).map(([name, allowed]) =>
  forbid(
    `emulator-${name}`,
    `emulator/${name} imports ${allowed.length ? `only ${allowed.join(', ')}` : 'no other room'}.`,
    { path: room(name) },
    {
      path: '^(emulator|adapter|extension|media)/',
      pathNot: ['^emulator/(errors|thread|builtins)\\.ts$', room(name), ...allowed.map(room), ...(CONTRACTS[name] ?? [])],
    },
  ),
);

module.exports = {
  forbidden: [
    ...rooms,
    forbid('adapter', 'The adapter stands on the emulator and knows nothing of VS Code.', { path: '^adapter/' }, { path: '^(extension|media)/' }),
    forbid(
      'adapter-machine',
      "The adapter sees the machine's interface, not its insides.",
      { path: '^adapter/' },
      {
        path: '^emulator/',
        pathNot: [
          '^emulator/errors\\.ts$',
          '^emulator/display/keysym\\.ts$',
          '^emulator/machine/(api|client|diskconfig|displayconfig|messages|networkconfig|expression|open|typing|viewers|vnc)\\.ts$',
          '^emulator/firmware/(elf|systemmap)\\.ts$',
        ],
      },
    ),
    forbid('extension', 'The extension talks to the emulator through the adapter alone.', { path: '^extension/' }, { path: '^(emulator|media)/' }),
    forbid(
      'media',
      'Webviews share types of the protocol with the adapter and nothing else.',
      { path: '^media/' },
      {
        path: '^(emulator|adapter|extension)/',
        pathNot: '^adapter/protocol/',
      },
    ),
    forbid('media-types', 'What webviews take from the protocol are types.', { path: '^media/' }, { path: '^adapter/', dependencyTypesNot: ['type-only'] }),
    forbid('vscode', 'Only the extension imports vscode.', { pathNot: '^(extension|test/clients)/' }, { path: '^vscode$' }),
    forbid(
      'koffi',
      'Native calls are made by emulator/kvm and by the test oracle alone.',
      { pathNot: '^(emulator/kvm|test/oracle)/' },
      { path: '(^|/)koffi(/|$)' },
    ),
    forbid(
      'no-tests',
      'The product imports nothing of tests, benchmarks and scripts.',
      { path: '^(emulator|adapter|extension|media)/' },
      { path: '^(test|bench|scripts)/' },
    ),
    forbid(
      'no-development',
      'The product imports no package that is only there for development.',
      { path: '^(emulator|adapter|extension|media)/' },
      {
        dependencyTypes: ['npm-dev'],
        dependencyTypesNot: ['type-only'],
        pathNot: '@types/',
      },
    ),
    forbid('no-circular', 'Imports run one way, those of types too.', {}, { circular: true }),
    forbid('unresolved', 'Every import leads somewhere.', {}, { couldNotResolve: true, pathNot: '^vscode$' }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(node_modules|dist|emulator/engine/assembly)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
