import { strict as assert } from 'node:assert';
import { CAPABILITIES, PROMISED } from '../../../../adapter/session/capabilities';
import { ROUTES } from '../../../../adapter/session/routes';
import { ProtocolSchema } from '../protocolschema';

/** Capabilities that change what other requests take or send, without a request of their own. */
const WITHOUT_REQUEST = [
  'supportsConditionalBreakpoints', 'supportsHitConditionalBreakpoints', 'supportsLogPoints', 'supportsDataBreakpointBytes', 'exceptionBreakpointFilters',
  'supportsSteppingGranularity', 'supportTerminateDebuggee', 'supportSuspendDebuggee', 'supportsClipboardContext',
  'completionTriggerCharacters', 'supportsValueFormattingOptions', 'supportsANSIStyling',
]; // prettier-ignore

/** Requests that every adapter has, whatever it claims. */
const ALWAYS = [
  'initialize', 'launch', 'disconnect', 'threads', 'continue', 'pause', 'next', 'stepIn', 'stepOut', 'stackTrace', 'scopes', 'source', 'variables', 'setBreakpoints',
]; // prettier-ignore

describe('capabilities', () => {
  it('are all known to the protocol', () => {
    assert.equal(new ProtocolSchema().check('Capabilities', CAPABILITIES), undefined);
  });

  it('have a handler for each request that they promise', () => {
    for (const claimed of Object.keys(CAPABILITIES) as (keyof typeof CAPABILITIES)[]) {
      const requests = PROMISED[claimed];
      if (!requests) assert.ok(WITHOUT_REQUEST.includes(claimed), `${claimed} promises a request that nobody named`);
      for (const request of requests ?? []) assert.ok(request in ROUTES, `${claimed} promises ${request}`);
    }
  });

  it('are claimed for each handler that exists', () => {
    const promised = Object.entries(PROMISED).flatMap(([capability, requests]) => {
      assert.ok(capability in CAPABILITIES, `${capability} is not claimed`);
      return requests;
    });
    for (const request of Object.keys(ROUTES)) {
      assert.ok(request.startsWith('guest/') || ALWAYS.includes(request) || promised.includes(request), `nobody is told of ${request}`);
    }
  });

  it('do not ask for a stack in two parts', () => {
    // It is found as a whole; VS Code would show the callers of the stop before until it asks for the second part.
    assert.ok(!('supportsDelayedStackTraceLoading' in CAPABILITIES));
  });

  it('do not claim what there is none of', () => {
    for (const absent of ['supportsRestartFrame', 'supportsTerminateThreadsRequest', 'supportsSingleThreadExecutionRequests'])
      assert.ok(!(absent in CAPABILITIES));
  });
});
