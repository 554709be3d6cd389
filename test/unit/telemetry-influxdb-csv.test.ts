import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCsvReader } from '../../src/telemetry/influxdb/annotated-csv.js';

const HEADER = '#datatype,string,long,dateTime:RFC3339,double,string\r\n#default,_result,,,,\r\n';
const COLUMNS = ',result,table,_time,_value,workload\r\n';

type Read = { time: number; value: number; workload: string; result: string };

/** Reads an answer cut into pieces of the given sizes. */
function read(answer: string, sizes: readonly number[] = []): Read[] {
  const found: Read[] = [];
  const reader = createCsvReader((row) =>
    found.push({
      time: row.seconds('_time'),
      value: row.number('_value'),
      workload: row.text('workload'),
      result: row.text('result'),
    }),
  );
  const bytes = new TextEncoder().encode(answer);
  let at = 0;
  for (let piece = 0; at < bytes.length; piece++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[piece % sizes.length] ?? 1);
    reader.push(bytes.subarray(at, at + size));
    at += size;
  }
  reader.end();
  return found;
}

const quoted = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

describe('annotated CSV', () => {
  it.each([
    ['nothing at all', '', []],
    ['a header without rows', `${HEADER}${COLUMNS}\r\n`, []],
    [
      'a row, with its default',
      `${HEADER}${COLUMNS},,0,2026-01-05T00:00:00Z,1.5,web\r\n\r\n`,
      [{ time: 1_767_571_200, value: 1.5, workload: 'web', result: '_result' }],
    ],
    [
      'no end of line at the end',
      `${HEADER}${COLUMNS},,0,2026-01-05T23:59:59Z,0,web`,
      [{ time: 1_767_657_599, value: 0, workload: 'web', result: '_result' }],
    ],
    [
      'a value that is missing, and parts of a second',
      `${HEADER}${COLUMNS},,0,2026-01-05T00:00:00.25Z,,web\r\n`,
      [{ time: 1_767_571_200.25, value: NaN, workload: 'web', result: '_result' }],
    ],
    [
      'a second table with other columns, without annotations',
      `${HEADER}${COLUMNS},,0,2026-01-05T00:00:00Z,1,web\r\n\r\n,result,workload,_value\r\n,other,api,2\r\n`,
      [
        { time: 1_767_571_200, value: 1, workload: 'web', result: '_result' },
        { time: NaN, value: 2, workload: 'api', result: 'other' },
      ],
    ],
  ])('%s', (_, answer, expected) => {
    expect(read(answer)).toEqual(expected);
  });

  it('a quoted cell that never ends is an error, never a row', () => {
    expect(() => read(`${HEADER}${COLUMNS},,0,2026-01-05T00:00:00Z,1,"we`)).toThrow('quoted cell');
  });

  it('reads the same however the answer is cut, whatever stands in a name', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
    const odd = fc.constantFrom('") |> drop(', 'a,b', 'two\nlines', '"', 'ü 💡');
    const rows = fc.array(
      fc.record({
        time: fc.integer({ min: 0, max: 4_000_000_000 }),
        value: fc.double({ noNaN: true, noDefaultInfinity: true }),
        workload: fc.oneof(name, odd).filter((text) => !/[\r\p{Cs}]/u.test(text)),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(rows, fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }), (all, sizes) => {
        const text = all.map(
          ({ time, value, workload }) =>
            `,,0,${new Date(time * 1000).toISOString().replace('.000', '')},${value},${quoted(workload)}\r\n`,
        );
        const answer = `${HEADER}${COLUMNS}${text.join('')}\r\n`;
        const expected = all.map((row) => ({ ...row, value: Number(String(row.value)), result: '_result' }));
        expect(read(answer, sizes)).toEqual(expected);
      }),
    );
  });
});
