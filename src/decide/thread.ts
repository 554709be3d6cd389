import { parentPort } from 'node:worker_threads';
import { createEngine } from './engine.js';
import { plainError, type Answer, type Call } from './pool.js';

const port = parentPort;
if (port === null) throw new Error('decide/thread runs as a worker thread alone');
const engine = createEngine();

port.on('message', (call: Call) => {
  void answer(call).then((message) => port.postMessage(message));
});

async function answer({ id, method, args }: Call): Promise<Answer> {
  try {
    const decider = await engine;
    // The pool's own typed methods are the only callers; their arguments travel as they are.
    const run = decider[method] as (...args: unknown[]) => Promise<unknown>;
    return { id, ok: true, value: await run(...args) };
  } catch (error) {
    return { id, ok: false, error: plainError(error) };
  }
}
