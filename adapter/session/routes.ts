/** Every request that this adapter answers: its handler, and the arguments without which it makes no sense. */
import { GUEST_REQUESTS } from './requests/guest';
import * as breakpoints from './requests/breakpoints';
import * as execution from './requests/execution';
import * as frames from './requests/frames';
import * as lifecycle from './requests/lifecycle';
import * as memory from './requests/memory';
import * as variables from './requests/variables';
import type { Route } from './session';

const route = (run: Route['run'], needs?: Route['needs']): Route => ({ run, ...(needs && { needs }) });
const thread = { threadId: 'number' } as const;

export const ROUTES: Readonly<Record<string, Route>> = {
  initialize: route(lifecycle.initialize),
  launch: route(lifecycle.launch),
  configurationDone: route(lifecycle.configurationDone),
  restart: route(lifecycle.restart),
  terminate: route(lifecycle.terminate),
  disconnect: route(lifecycle.disconnect),
  cancel: route(lifecycle.cancel),

  threads: route(execution.listThreads),
  continue: route(execution.continueRequest, thread),
  pause: route(execution.pause, thread),
  next: route(execution.next, thread),
  stepIn: route(execution.stepIn, thread),
  stepOut: route(execution.stepOut, thread),
  stepBack: route(execution.stepBack, thread),
  reverseContinue: route(execution.reverseContinue, thread),
  gotoTargets: route(execution.gotoTargets, { source: 'object', line: 'number' }),
  goto: route(execution.goto, { threadId: 'number', targetId: 'number' }),

  stackTrace: route(frames.stackTrace, thread),
  scopes: route(frames.scopes, { frameId: 'number' }),
  source: route(frames.source, { sourceReference: 'number' }),
  modules: route(frames.modules),
  loadedSources: route(frames.loadedSources),

  variables: route(variables.variables, { variablesReference: 'number' }),
  setVariable: route(variables.setVariable, { variablesReference: 'number', name: 'string', value: 'string' }),
  evaluate: route(variables.evaluate, { expression: 'string' }),
  setExpression: route(variables.setExpression, { expression: 'string', value: 'string' }),
  completions: route(variables.completions, { text: 'string', column: 'number' }),

  setBreakpoints: route(breakpoints.setBreakpoints, { source: 'object' }),
  setFunctionBreakpoints: route(breakpoints.setFunctionBreakpoints, { breakpoints: 'array' }),
  setInstructionBreakpoints: route(breakpoints.setInstructionBreakpoints, { breakpoints: 'array' }),
  setDataBreakpoints: route(breakpoints.setDataBreakpoints, { breakpoints: 'array' }),
  setExceptionBreakpoints: route(breakpoints.setExceptionBreakpoints, { filters: 'array' }),
  breakpointLocations: route(breakpoints.breakpointLocations, { source: 'object', line: 'number' }),
  dataBreakpointInfo: route(breakpoints.dataBreakpointInfo, { name: 'string' }),
  exceptionInfo: route(breakpoints.exceptionInfo, thread),

  readMemory: route(memory.readMemory, { memoryReference: 'string', count: 'number' }),
  writeMemory: route(memory.writeMemory, { memoryReference: 'string', data: 'string' }),
  disassemble: route(memory.disassemble, { memoryReference: 'string', instructionCount: 'number' }),

  'guest/checkpoint': route(GUEST_REQUESTS['guest/checkpoint']),
  'guest/checkpoints': route(GUEST_REQUESTS['guest/checkpoints']),
  'guest/restore': route(GUEST_REQUESTS['guest/restore'], { id: 'number' }),
  'guest/timeline': route(GUEST_REQUESTS['guest/timeline']),
  'guest/thumbnails': route(GUEST_REQUESTS['guest/thumbnails'], { ids: 'array' }),
  'guest/runTo': route(GUEST_REQUESTS['guest/runTo'], { position: 'number' }),
  'guest/travel': route(GUEST_REQUESTS['guest/travel'], { position: 'number' }),
  'guest/frame': route(GUEST_REQUESTS['guest/frame']),
  'guest/key': route(GUEST_REQUESTS['guest/key']),
  'guest/pointer': route(GUEST_REQUESTS['guest/pointer'], { buttons: 'number' }),
  'guest/type': route(GUEST_REQUESTS['guest/type'], { text: 'string' }),
  'guest/screenText': route(GUEST_REQUESTS['guest/screenText']),
  'guest/rfbOpen': route(GUEST_REQUESTS['guest/rfbOpen'], { client: 'number' }),
  'guest/rfbSend': route(GUEST_REQUESTS['guest/rfbSend'], { client: 'number', data: 'string' }),
  'guest/rfbTaken': route(GUEST_REQUESTS['guest/rfbTaken'], { client: 'number', bytes: 'number' }),
  'guest/rfbClose': route(GUEST_REQUESTS['guest/rfbClose'], { client: 'number' }),
  'guest/serialInput': route(GUEST_REQUESTS['guest/serialInput'], { text: 'string' }),
  'guest/save': route(GUEST_REQUESTS['guest/save'], { path: 'string' }),
  'guest/status': route(GUEST_REQUESTS['guest/status']),
  'guest/format': route(GUEST_REQUESTS['guest/format'], { radix: 'number' }),
  'guest/stateHash': route(GUEST_REQUESTS['guest/stateHash']),
};
