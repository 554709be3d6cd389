import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createInfluxConnection } from '../../src/telemetry/influxdb/connection.js';
import { createInfluxWriter, type InfluxWriterOptions } from '../../src/telemetry/influxdb/writer.js';
import { startRecordingInflux, type Answer, type RecordingInflux } from '../contract/recording-influxdb.js';

/* What the writer does with a server that is busy, refuses or goes away; that points arrive is shown on the real one. */

const TAKEN: Answer = { status: 204, body: '' };
const failing = (status: number, headers: Record<string, string> = {}): Answer => ({
  status,
  body: JSON.stringify({ code: 'x', message: `answer ${status}` }),
  headers,
});
const lines = (count: number, from = 0): string[] =>
  Array.from({ length: count }, (_, index) => `m value=${from + index} ${from + index}`);

describe('the writer', () => {
  let server: RecordingInflux;
  let pauses: number[];
  beforeEach(async () => {
    server = await startRecordingInflux();
    pauses = [];
  });
  afterEach(async () => {
    await server.close();
  });

  const open = (options: Partial<InfluxWriterOptions> = {}, sleep?: (seconds: number) => Promise<void>) =>
    createInfluxWriter(
      createInfluxConnection({ url: server.url, token: 'a-token', org: 'home', timeout: 5 }),
      { bucket: 'telemetry', ...options },
      {
        random: () => 0.5,
        sleep: (seconds) => {
          pauses.push(seconds);
          return sleep?.(seconds) ?? Promise.resolve();
        },
      },
    );
  /** Answers these, one a request, and the last one ever after. */
  const answerInTurn = (...answers: Answer[]): void => {
    server.answer(() => (answers.length > 1 ? answers.shift() : answers[0]) ?? TAKEN);
  };
  const sent = (): string[] => server.requests.flatMap(({ body }) => body.split('\n'));

  it('sends batches in order, each line once', async () => {
    server.answer(TAKEN);
    const writer = open({ batchLines: 10 });
    await writer.write(lines(25));
    await writer.write(lines(4, 25));
    await writer.flush();
    expect(sent()).toEqual(lines(29));
    expect(Math.max(...server.requests.map(({ body }) => body.split('\n').length))).toBe(10);
    expect(writer.stats()).toMatchObject({ lines: 29, repeats: 0 });
    expect(server.requests[0]?.path).toBe('/api/v2/write?org=home&bucket=telemetry&precision=ms');
  });

  it('what comes while a request is under way is not lost with it', async () => {
    server.answer(TAKEN);
    const writer = open({ batchLines: 100 });
    for (let index = 0; index < 40; index++) {
      await writer.write(lines(3, index * 3));
      if (index % 7 === 0) await setImmediate();
    }
    await writer.flush();
    expect(sent()).toEqual(lines(120));
  });

  it('repeats the same request with growing, bounded pauses until it is taken, and nothing overtakes it', async () => {
    answerInTurn(...Array.from({ length: 6 }, () => failing(503)), TAKEN);
    const writer = open({ batchLines: 5, firstPause: 1, longestPause: 8 });
    await writer.write(lines(10));
    await writer.flush();
    // Half of each pause is fixed, half is drawn: 0.75 of the ceiling for a draw of one half.
    expect(pauses).toEqual([0.75, 1.5, 3, 6, 6, 6]);
    const first = lines(5).join('\n');
    expect(server.requests.slice(0, 7).map(({ body }) => body)).toEqual(Array<string>(7).fill(first));
    expect(server.requests[7]?.body).toBe(lines(5, 5).join('\n'));
  });

  it.each([
    ['seconds', () => '7'],
    ['a date', () => new Date(Date.now() + 7000).toUTCString()],
  ])('never comes back before the server’s Retry-After, given as %s', async (_, given) => {
    const began = Date.now();
    const value = given();
    const until = value === '7' ? began + 7000 : Date.parse(value);
    answerInTurn(failing(429, { 'retry-after': value }), TAKEN);
    const backAt: number[] = [];
    const writer = open({}, (seconds) => {
      backAt.push(Date.now() + 1000 * seconds);
      return Promise.resolve();
    });
    await writer.write(lines(1));
    await writer.flush();
    expect(pauses).toHaveLength(1);
    // However long the answer took: a date is met, and no pause is longer than what was asked for.
    expect(backAt[0]).toBeGreaterThanOrEqual(until);
    expect(pauses[0]).toBeLessThanOrEqual(8);
  });

  it('a caller that is too fast waits, and the queue stays as long as it may be', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    answerInTurn(failing(503), TAKEN);
    const writer = open({ batchLines: 10, mostQueued: 20 }, () => held);
    let taken = 0;
    const source = function* (): Generator<string> {
      for (const line of lines(100)) {
        taken += 1;
        yield line;
      }
    };
    const writing = writer.write(source());
    while (pauses.length === 0) await setImmediate();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    // Twenty in the queue, and the one in the caller's hand.
    expect(taken).toBe(21);
    release();
    await writing;
    await writer.flush();
    expect(sent().slice(10)).toEqual(lines(100));
  });

  it.each([
    ['a token that is refused', failing(401), 'refused'],
    ['a bucket that is not there', failing(404), 'not-found'],
    ['points that are not of the layout', failing(422), 'invalid-input'],
  ] as const)('%s ends it at once, for every later call too', async (_, answer, kind) => {
    server.answer(answer);
    const writer = open();
    await writer.write(lines(1));
    await expect(writer.flush()).rejects.toMatchObject({ kind });
    await expect(writer.write(lines(1))).rejects.toMatchObject({ kind });
    await expect(writer.flush()).rejects.toMatchObject({ kind });
    expect([pauses, server.requests.length]).toEqual([[], 1]);
  });

  it('gives up when its patience is at its end, and says what the server said', async () => {
    server.answer(failing(503));
    const writer = open({ patience: 10, firstPause: 1, longestPause: 4 });
    await writer.write(lines(1));
    await expect(writer.flush()).rejects.toThrow('answer 503');
    expect(pauses.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(10);
  });

  it('a patient one waits for a bucket to be made, and goes on after points that are refused for good', async () => {
    answerInTurn(failing(404), failing(422), TAKEN);
    const writer = open({
      patience: Number.POSITIVE_INFINITY,
      skipRejected: true,
      batchLines: 1,
      firstPause: 1,
      longestPause: 4,
    });
    await writer.write(lines(2));
    await writer.flush();
    expect(pauses).toEqual([3]);
    expect(server.requests.map(({ body }) => body)).toEqual([lines(1)[0], lines(1)[0], lines(1, 1)[0]]);
    expect(writer.stats()).toMatchObject({ lines: 1, rejected: 1 });
  });

  it('closed, it takes nothing more and frees who waits', async () => {
    server.answer(failing(503));
    const writer = open({ batchLines: 1, mostQueued: 1 }, () => new Promise(() => undefined));
    const writing = writer.write(lines(5));
    while (pauses.length === 0) await setImmediate();
    writer.close();
    await expect(writing).rejects.toThrow('the writer is closed');
    await expect(writer.write(lines(1))).rejects.toThrow('the writer is closed');
  });
});
