import { describe, expect, it } from 'vitest';
import { environment, within } from './headroom.js';

/* A worker that is told wrongly where usage is says so at once: nothing was opened that could keep it from ending. */

describe('headroom worker --source', () => {
  it.each([
    ['of no kind that is known', ['--source', 'graphite'], {}, 'known are store, influxdb, prometheus'],
    ['without its address', ['--source', 'prometheus'], {}, 'PROMETHEUS_URL is not set'],
    [
      'with a file of templates that is not there',
      ['--source', 'prometheus'],
      { PROMETHEUS_URL: 'http://127.0.0.1:9', PROMETHEUS_TEMPLATES: '/nowhere/templates.yaml' },
      '/nowhere/templates.yaml',
    ],
  ])('%s is refused', async (_, argv, env, text) => {
    const { PROMETHEUS_URL: _url, ...clean } = environment('/nowhere/home');
    const ran = await within({ ...clean, ...env }, 'worker', ...argv);
    expect(ran.code).not.toBe(0);
    expect(ran.err).toContain(text);
  });
});
