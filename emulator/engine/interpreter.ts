import { i32, i64, i64c, select, type I32, type I64 } from '../wasm/expr';
import type { Callable, FunctionBuilder, Label, Local } from '../wasm/function';
import { ModuleBuilder } from '../wasm/module';
import { encodingTable } from '../x86/encodingtable';
import * as layout from '../x86/layout';
import { GenericStage, type Flow } from './generic-stage';
import { InlineStage } from './inline-stage';
import { FORMS_SECTION, packForms, SPECIAL, type Handlers, type Special } from './handlers';
import { emitMeaning } from './meaning';
import { remembersTarget } from './targets';
import { importHelpers, type Helpers, type Signatures } from './helpers';
import { settle, type KeptFlags } from './settle';

/** What a handler behind an indirect call returns. */
const NEXT = 0;
const LEAVE = 1;
const LOOKUP = 2;
const HOST_LEFT = 3;

/** What compiled code returns: below a record's address, which is a multiple of its size, why. */
export const REGION_LOOKUP = 0; // goes on at NEXT_LINEAR
export const REGION_RECORD = 1; // goes on in the interpreter at the record, whose block is paid for
export const REGION_LEFT = 2; // the record is left: EXIT_REASON says why
export const REGION_REFUSED = 3; // nothing was done: too little is left of the slice, or it doesn't fit
export const REGION_UNPREPARED = 4; // nothing was done: its pages have to be looked at first

/** Entries of the table before those of compiled code. */
export const tableSize = (forms: number): number => SPECIAL.length + forms;

/** What `run` returns: where it stopped. */
export const enum Stopped {
  /** Between instructions: the next one is at NEXT_LINEAR. */
  Between = 0,
  /** At an instruction that has not happened: RIP is its address. */
  At = 1,
  /** After a host function, which has set RIP. */
  After = 2,
}

const window32 = (address: number) => i32.load(i32.const(address));
const codePage = () => i64.load(i32.const(layout.CODE_PAGE));
const mask32 = i64c(0xffffffffn);

/**
 * Generates the interpreter: one function with a dispatch loop over the hot handlers, one function for
 * each of the others.
 */
export function buildInterpreter(handlers: Handlers, signatures: Signatures, hostIndex: (name: string) => number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  module.importMemory('host', 'memory', { min: 1, max: 65536, shared: true });
  const helpers = importHelpers(module, signatures);
  const hostCall = module.importFunction('host', 'instruction', ['i32', 'i32'], ['i32']);
  const tier = {
    /** A block that has been entered often: its new heat. */
    hot: module.importFunction('host', 'hot', ['i32'], ['i32']),
    /** Whether the pages of a region are in place. */
    prepare: module.importFunction('host', 'prepareRegion', ['i32', 'i32'], ['i32']),
  };

  const hostFlow =
    (f: FunctionBuilder, rec: Local<'i32'>) =>
    (name: string): void => {
      const offset = i64.load16U(f.get(rec), layout.REC_OFFSET);
      const linear = f.let(i64.add(codePage(), i64.and(offset, i64c(0xfff))));
      f.store('i64', i32.const(layout.INSTRUCTION_RIP), 0, linear);
      f.store('i64', i32.const(layout.RIP), 0, instructionPointer(i64.add(linear, i64.shrU(offset, i64c(12)))));
      f.return(f.call('i32', hostCall, i32.const(hostIndex(name)), f.get(rec)));
    };

  const functions = handlers.ordered.map((form) =>
    module.function(form.key, ['i32'], ['i32'], (f) => {
      const rec = f.param(0, 'i32');
      const flow: Flow = {
        leave: () => f.return(i32.const(LEAVE)),
        goto: (linear) => {
          f.store('i64', i32.const(layout.NEXT_LINEAR), 0, linear);
          f.return(i32.const(LOOKUP));
        },
        host: hostFlow(f, rec),
      };
      emitMeaning(new GenericStage(f, rec, form, helpers, flow, hostIndex), form);
      f.return(i32.const(NEXT));
    }),
  );
  module.memoryData(layout.DECODE_TABLE, encodingTable(handlers.set, handlers.numbers));
  module.custom(FORMS_SECTION, packForms(handlers));
  const padding = functions[0]!;
  module.table([...SPECIAL.map(() => padding), ...functions]);
  module.exportTable('table');
  const handlerType = module.type(['i32'], ['i32']);

  const settleFlags = module.function('settle', [], [], buildSettle);
  const run = module.function('run', [], ['i32'], (f) => buildLoop(f, handlers, helpers, handlerType, { ...tier, settle: settleFlags }));
  module.export('run', run);
  return module.finish();
}

/** IP of a linear address in the current code segment. */
function instructionPointer(linear: I64): I64 {
  const base = i64.load(i32.const(layout.SEGMENTS + layout.CS * layout.SEGMENT_SIZE + layout.SEG_BASE));
  const mode64 = i32.and(window32(layout.DECODE_MODE), i32.const(layout.MODE_64));
  return i64.and(i64.sub(linear, base), select(mode64, i64c(-1), mask32));
}

interface TierImports {
  readonly hot: Callable;
  readonly prepare: Callable;
  readonly settle: Callable;
}

/** Makes flags that compiled code has left those of the window. */
function buildSettle(f: FunctionBuilder): void {
  const kept: KeptFlags = { a: f.local('i64'), b: f.local('i64'), kind: f.local('i32') };
  f.set(kept.a, i64.load(i32.const(layout.FLAG_RESULT)));
  f.set(kept.b, i64.load(i32.const(layout.FLAG_CARRIES)));
  f.set(kept.kind, window32(layout.FLAG_KIND));
  settle(f, kept);
  f.store('i64', i32.const(layout.FLAG_RESULT), 0, f.get(kept.a));
  f.store('i64', i32.const(layout.FLAG_CARRIES), 0, f.get(kept.b));
  f.store('i32', i32.const(layout.FLAG_KIND), 0, f.get(kept.kind));
}

function buildLoop(f: FunctionBuilder, handlers: Handlers, helpers: Helpers, handlerType: number, tier: TierImports): void {
  // Compiled code takes the number of its entry: the same type as a handler's.
  const regionType = handlerType;
  const rec = f.local('i32');
  const block = f.local('i32');
  const next = f.local('i64');
  const status = f.local('i32');
  const handler = f.local('i32');
  const alone = f.local('i32');
  f.set(next, i64.load(i32.const(layout.NEXT_LINEAR)));

  f.loop((begin) => {
    f.block((left) => {
      f.loop((lookup) => {
        findBlock(f, { block, next, alone }, helpers);
        f.loop((enter) => {
          f.block((resumed) => {
            f.block((interpreted) => {
              const heat = f.local('i32');
              f.set(heat, i32.load(f.get(block), layout.BLOCK_HEAT));
              f.if(i32.gtS(f.get(heat), i32.const(0)), () => {
                f.store('i32', f.get(block), layout.BLOCK_HEAT, i32.sub(f.get(heat), i32.const(1)));
                f.br(interpreted);
              });
              f.if(i32.eqz(f.get(heat)), () => {
                f.set(heat, f.call('i32', tier.hot, f.get(block)));
                f.brIf(interpreted, i32.gtS(f.get(heat), i32.const(0)));
              });
              enterRegion(f, { rec, block, next, heat }, { lookup, interpreted, resumed, left }, handlers, regionType, tier);
            });
            chargeBlock(f, block, helpers);
            f.set(rec, i32.add(f.get(block), i32.const(layout.RECORD_SIZE)));
          });
          f.loop((dispatch) => {
            const advance = () => {
              f.set(rec, i32.add(f.get(rec), i32.const(layout.RECORD_SIZE)));
              f.br(dispatch);
            };
            const flow: Flow = {
              leave: () => f.br(left),
              goto: (linear, link, crosses = false) => {
                if (link !== undefined) {
                  const known = f.let(i32.load(f.get(rec), link));
                  const follow = () => {
                    f.set(block, known);
                    f.br(enter);
                  };
                  if (crosses) followCrossing(f, { rec, block }, known, linear, { enter, follow });
                  else f.if(known, follow);
                  f.store('i32', i32.const(layout.LINK_SLOT), 0, i32.add(f.get(rec), i32.const(link | (crosses ? layout.LINK_CROSSES : 0))));
                }
                f.set(next, linear);
                f.br(lookup);
              },
              host: () => {
                throw new TypeError('host instructions are not hot');
              },
            };
            const remembering: Flow = {
              ...flow,
              goto: (linear, link, crosses) => {
                const target = f.let(linear);
                f.store('i64', f.get(rec), layout.REC_TARGET, target);
                flow.goto(target, link, crosses);
              },
            };
            const special: Readonly<Record<Special, () => void>> = {
              end: () => flow.goto(i64.add(codePage(), i64.load(f.get(rec), layout.REC_IMM)), layout.REC_LINK_TAKEN, true),
              break: () => {
                f.store('i32', i32.const(layout.EXIT_REASON), 0, i32.const(layout.LEAVE_BREAKPOINT));
                flow.leave();
              },
              fault: () => {
                const vector = i32.load16U(f.get(rec), layout.REC_A);
                f.if(
                  i32.load16U(f.get(rec), layout.REC_B),
                  () => f.run(helpers('raise'), vector, i32.const(0)),
                  () => f.run(helpers('raisePlain'), vector),
                );
                flow.leave();
              },
            };
            const inline: ((apart: Label) => void)[] = [
              ...SPECIAL.map((name) => special[name]),
              ...handlers.ordered.slice(0, handlers.hot - SPECIAL.length).map((form) => (apart: Label) => {
                emitMeaning(new InlineStage(f, rec, form, helpers, remembersTarget(form) ? remembering : flow, apart), form);
                advance();
              }),
            ];
            f.set(handler, i32.load16U(f.get(rec), layout.REC_HANDLER));
            const labels: Label[] = [];
            f.block((apart) => {
              const nest = (index: number): void => {
                if (index === inline.length) {
                  f.brTable(f.get(handler), labels, apart);
                  return;
                }
                f.block((end) => {
                  labels.push(end);
                  nest(index + 1);
                });
                f.scope(() => inline[index]!(apart));
              };
              nest(0);
            });
            f.set(status, f.callIndirect('i32', handlerType, f.get(handler), f.get(rec)));
            f.if(i32.eqz(f.get(status)), advance);
            f.if(i32.eq(f.get(status), i32.const(LOOKUP)), () => {
              f.set(next, i64.load(i32.const(layout.NEXT_LINEAR)));
              f.br(lookup);
            });
            f.if(i32.eq(f.get(status), i32.const(HOST_LEFT)), () => f.return(i32.const(Stopped.After)));
          });
        });
      });
    });

    // Left inside a block: what was charged for this instruction and those after it is given back.
    const index = i32.load8U(f.get(rec), layout.REC_INDEX_IN_BLOCK);
    const unused = i32.sub(i32.load(f.get(block), layout.BLOCK_COUNT), index);
    f.store('i32', i32.const(layout.BUDGET), 0, i32.add(window32(layout.BUDGET), unused));
    const linear = f.let(i64.add(codePage(), i64.and(i64.load16U(f.get(rec), layout.REC_OFFSET), i64c(0xfff))));
    f.store('i64', i32.const(layout.INSTRUCTION_RIP), 0, linear);
    f.store('i64', i32.const(layout.RIP), 0, instructionPointer(linear));
    runAlone(f, { next, alone }, linear, begin);
    const faulted = i32.eq(window32(layout.EXIT_REASON), i32.const(layout.LEAVE_FAULT));
    f.if(i32.and(faulted, i32.eqz(window32(layout.SINGLE))), () =>
      f.if(f.call('i32', helpers('quickDeliver')), () => {
        f.store('i32', i32.const(layout.LINK_SLOT), 0, i32.const(0));
        f.set(next, i64.load(i32.const(layout.RIP)));
        f.br(begin);
      }),
    );
    f.return(i32.const(Stopped.At));
  });
  f.unreachable();
}

/** Follows a jump's link, if there is one: in its page, or into another where context and place are those that it was made for. */
function followCrossing(
  f: FunctionBuilder,
  { rec, block }: Pick<LoopLocals, 'rec' | 'block'>,
  known: I32,
  linear: I64,
  { enter, follow }: { readonly enter: Label; readonly follow: () => void },
): void {
  f.if(known, () => {
    f.if(i32.eqz(i32.and(known, i32.const(layout.LINK_CROSSES))), follow);
    const context = i64.eq(i64.shrU(i64.load(f.get(rec)), i64c(8 * layout.REC_LINK_CONTEXT)), i64.load(i32.const(layout.CONTEXT)));
    const place = i64.eq(i64.load(f.get(rec), layout.REC_LINK_PAGE), codePage());
    f.if(i32.and(context, place), () => {
      f.store('i64', i32.const(layout.CODE_PAGE), 0, i64.and(linear, i64c(~0xfffn)));
      f.set(block, i32.sub(known, i32.const(layout.LINK_CROSSES)));
      f.br(enter);
    });
  });
}

interface LoopLocals {
  readonly rec: Local<'i32'>;
  readonly block: Local<'i32'>;
  readonly next: Local<'i64'>;
  readonly heat: Local<'i32'>;
}
type LoopLabels = Readonly<Record<'lookup' | 'interpreted' | 'resumed' | 'left', Label>>;

/** Runs compiled code: `heat` says which, and where it is entered. */
function enterRegion(
  f: FunctionBuilder,
  { rec, block, next, heat }: LoopLocals,
  to: LoopLabels,
  handlers: Handlers,
  type: number,
  { prepare, settle: settleFlags }: TierImports,
): void {
  const slot = f.let(i32.and(f.get(heat), i32.const(layout.REGION_STATES - 1)));
  const entry = i32.and(i32.shrU(f.get(heat), i32.const(14)), i32.const(0xffff));
  const before = f.let(window32(layout.BUDGET));
  const left = f.local('i32');
  f.loop((again) => {
    f.set(left, f.callIndirect('i32', type, i32.add(slot, i32.const(tableSize(handlers.ordered.length))), entry));
    f.brIf(to.interpreted, i32.eq(f.get(left), i32.const(REGION_REFUSED)));
    f.if(i32.eq(f.get(left), i32.const(REGION_UNPREPARED)), () => {
      f.brIf(again, f.call('i32', prepare, slot, entry));
      f.br(to.interpreted);
    });
  });
  f.if(window32(layout.FLAG_KIND), () => f.run(settleFlags));
  const ran = i64.extendI32S(i32.sub(before, window32(layout.BUDGET)));
  const total = i32.const(layout.REGION_INSTRUCTIONS);
  f.store('i64', total, 0, i64.add(i64.load(total), ran));
  f.if(i32.eq(f.get(left), i32.const(REGION_LOOKUP)), () => {
    f.set(next, i64.load(i32.const(layout.NEXT_LINEAR)));
    f.br(to.lookup);
  });
  f.set(rec, i32.and(f.get(left), i32.const(-layout.RECORD_SIZE)));
  const index = i32.load8U(f.get(rec), layout.REC_INDEX_IN_BLOCK);
  f.set(block, i32.sub(f.get(rec), i32.shl(i32.add(index, i32.const(1)), i32.const(Math.log2(layout.RECORD_SIZE)))));
  f.brIf(to.resumed, i32.and(f.get(left), i32.const(REGION_RECORD)));
  f.br(to.left);
}

/** States of an instruction that is run alone without the driver: it is looked up, and with the next look-up it has been run. */
const ALONE_NEXT = 1;
const ALONE_NOW = 2;

interface LookupLocals {
  readonly next: Local<'i64'>;
  readonly alone: Local<'i32'>;
}

/**
 * An instruction that has to be run alone, once more as one: the rest of its block may not be what it was. The driver is
 * wanted only where somebody watches.
 */
function runAlone(f: FunctionBuilder, { next, alone }: LookupLocals, linear: I64, begin: Label): void {
  const wanted = i32.eq(window32(layout.EXIT_REASON), i32.const(layout.LEAVE_RETRY));
  f.if(i32.and(wanted, i32.eqz(i32.or(window32(layout.SINGLE), window32(layout.WATCHES)))), () => {
    f.store('i32', i32.const(layout.STAT_ALONE), 0, i32.add(window32(layout.STAT_ALONE), i32.const(1)));
    f.store('i32', i32.const(layout.EXIT_REASON), 0, i32.const(0));
    f.store('i32', i32.const(layout.LINK_SLOT), 0, i32.const(0));
    f.store('i32', i32.const(layout.SINGLE), 0, i32.const(1));
    f.set(alone, i32.const(ALONE_NEXT));
    f.set(next, linear);
    f.br(begin);
  });
}

/** Finds the block at `next`: jump cache first; then fills the link that led here. */
function findBlock(f: FunctionBuilder, { block, next, alone }: LookupLocals & { readonly block: Local<'i32'> }, helpers: Helpers): void {
  f.scope(() => {
    const hash = i32.xor(i32.wrap(f.get(next)), i32.wrap(i64.shrU(f.get(next), i64c(13))));
    const slot = f.let(i32.add(i32.shl(i32.and(hash, i32.const(layout.JUMP_CACHE_ENTRIES - 1)), i32.const(4)), i32.const(layout.JUMP_CACHE)));
    const cached = i32.and(i64.eq(i64.load(slot), f.get(next)), i32.eq(i32.load(slot, 8), window32(layout.CONTEXT)));
    // An instruction that runs alone has a block of its own.
    const hit = i32.and(cached, i32.eqz(window32(layout.SINGLE)));
    f.if(
      hit,
      () => f.set(block, i32.load(slot, 12)),
      () => {
        const stop = () => {
          f.store('i64', i32.const(layout.NEXT_LINEAR), 0, f.get(next));
          f.return(i32.const(Stopped.Between));
        };
        f.if(
          i32.eq(f.get(alone), i32.const(ALONE_NOW)),
          () => {
            f.set(alone, i32.const(0));
            f.store('i32', i32.const(layout.SINGLE), 0, i32.const(0));
            f.store('i32', i32.const(layout.LINK_SLOT), 0, i32.const(0));
          },
          () => f.if(f.get(alone), () => f.set(alone, i32.const(ALONE_NOW))),
        );
        // Nothing is fetched that is not going to run: a fault would come too early.
        f.if(i32.leS(window32(layout.BUDGET), i32.const(0)), () => {
          f.store('i32', i32.const(layout.EXIT_REASON), 0, i32.const(layout.LEAVE_BUDGET));
          stop();
        });
        f.set(block, f.call('i32', helpers('find'), f.get(next)));
        f.if(i32.eqz(f.get(block)), stop);
      },
    );
    const link = f.let(window32(layout.LINK_SLOT));
    f.if(link, () => {
      // One that goes on in another page depends on the address space, wherever it is.
      const samePage = i32.and(i64.ltU(i64.xor(f.get(next), codePage()), i64c(0x1000)), i32.eqz(i32.load(f.get(block), layout.BLOCK_CROSSING)));
      const plain = i32.eqz(window32(layout.SINGLE));
      const source = i32.load8U(i32.and(link, i32.const(-layout.RECORD_SIZE)), layout.REC_SIZE);
      const kept = i32.and(plain, i32.shrU(i32.and(source, i32.const(layout.SIZE_LINKS)), i32.const(Math.log2(layout.SIZE_LINKS))));
      f.if(kept, () => {
        const record = f.let(i32.and(link, i32.const(-layout.RECORD_SIZE)));
        f.if(
          samePage,
          () => {
            f.store('i32', i32.and(link, i32.const(~layout.LINK_CROSSES)), 0, f.get(block));
            // A link into another page may have been here, when the code was different.
            f.if(i32.and(link, i32.const(layout.LINK_CROSSES)), () => f.store('i32', record, layout.REC_LINK_NEXT, i32.const(0)));
          },
          () =>
            f.if(i32.and(link, i32.const(layout.LINK_CROSSES)), () => {
              const context = f.let(i64.load(i32.const(layout.CONTEXT)));
              f.store('i64_16', record, layout.REC_LINK_CONTEXT, context);
              f.store('i64_32', record, layout.REC_LINK_CONTEXT + 2, i64.shrU(context, i64c(16)));
              f.store('i64', record, layout.REC_LINK_PAGE, codePage());
              f.store('i32', record, layout.REC_LINK_TAKEN, i32.or(f.get(block), i32.const(layout.LINK_CROSSES)));
            }),
        );
      });
      f.store('i32', i32.const(layout.LINK_SLOT), 0, i32.const(0));
    });
    f.store('i64', i32.const(layout.CODE_PAGE), 0, i64.and(f.get(next), i64c(~0xfffn)));
  });
}

/** Pays for the whole block, or for as much of it as the slice has left; stops before it where that is nothing. */
function chargeBlock(f: FunctionBuilder, block: Local<'i32'>, helpers: Helpers): void {
  f.scope(() => {
    const left = f.local('i32');
    f.set(left, i32.sub(window32(layout.BUDGET), i32.load(f.get(block), layout.BLOCK_COUNT)));
    f.if(i32.ltS(f.get(left), i32.const(0)), () => {
      f.if(i32.leS(window32(layout.BUDGET), i32.const(0)), () => {
        const linear = i64.add(codePage(), i64.load32U(f.get(block), layout.BLOCK_OFFSET));
        f.store('i64', i32.const(layout.NEXT_LINEAR), 0, linear);
        f.store('i32', i32.const(layout.EXIT_REASON), 0, i32.const(layout.LEAVE_BUDGET));
        f.return(i32.const(Stopped.Between));
      });
      f.set(block, f.call('i32', helpers('beginningOf'), f.get(block), window32(layout.BUDGET)));
      f.set(left, i32.const(0));
    });
    f.store('i32', i32.const(layout.BUDGET), 0, f.get(left));
  });
}
