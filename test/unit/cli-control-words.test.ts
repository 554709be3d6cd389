import { describe, expect, it } from 'vitest';
import { expectationWords, overrideWords, stampWords } from '../../src/cli/control-words.js';
import type { AnnouncedEvent, OverrideTarget } from '../../src/domain/control.js';

describe('status says in words', () => {
  it.each<[OverrideTarget, string]>([
    [{ field: 'replicas', workload: 'web', value: 12 }, 'web.replicas = 12'],
    [{ field: 'request', workload: 'web', component: 'cpu', value: 0.75 }, 'web.cpu = 750m'],
    [{ field: 'pool', pool: 'general', value: 3 }, 'pool general = 3 nodes'],
    [{ field: 'level', value: 0.95 }, 'level = 0.95'],
    [{ field: 'level', workload: 'web', value: 0.95 }, 'web.level = 0.95'],
  ])('what is overridden: %j', (target, words) => {
    expect(overrideWords(target)).toBe(words);
  });

  const event = { name: 'sale', from: 0, to: 3600, author: 'ada' };
  it.each<[Pick<AnnouncedEvent, 'expect' | 'uncertainty' | 'workloads'>, string]>([
    [{ expect: { multiplier: 2.2 }, uncertainty: 0.2 }, '2.2 × the forecast ± 20 %'],
    [{ expect: { multiplier: 3 }, uncertainty: 0, workloads: ['web', 'api'] }, '3 × the forecast, of web, api'],
    [{ expect: { demand: { cpu: 4.5 } }, uncertainty: 0.07 }, 'cpu 4500m ± 7 %'],
  ])('what an event is expected to ask for: %j', (given, words) => {
    expect(expectationWords({ ...event, ...given })).toBe(words);
  });

  it('who did it and until when; why only where that was said', () => {
    const stamp = { author: 'ada', since: 0, until: 3600 };
    expect(stampWords({ ...stamp, reason: '' })).toBe('by ada until 1970-01-01T01:00:00Z');
    expect(stampWords({ ...stamp, reason: 'press day' })).toBe('by ada until 1970-01-01T01:00:00Z: press day');
  });
});
