import { DeleteAPI } from '@influxdata/influxdb-client-apis';
import { flux } from '@influxdata/influxdb-client';
import { isHeadroomError } from '../../domain/errors.js';
import { influxError, translateInflux, type InfluxConnection } from './connection.js';

/** Points with the account's tag that were there when they were removed; null: there is no such bucket. */
export interface ErasedPoints {
  bucket: string;
  points: number | null;
}

/** All that InfluxDB can hold; forecasts lie in the future. */
const FIRST = '1677-09-22T00:00:00Z';
const LAST = '2262-04-11T00:00:00Z';

/**
 * Removes every point of an account from a bucket, whatever its measurement.
 * @param dry counts them.
 * @throws HeadroomError as the connection's calls; `invalid-input` for an account that the delete API cannot name.
 */
export async function erasePoints(
  connection: InfluxConnection,
  bucket: string,
  account: string,
  dry: boolean,
  signal: AbortSignal,
): Promise<ErasedPoints> {
  const action = `erasing ${account} from bucket ${bucket}`;
  if (/["\\\n\r]/.test(account)) {
    throw influxError('invalid-input', action, 'its name has a quote or a backslash', 'delete its points by hand');
  }
  let points = 0;
  try {
    // Each table is of one field, so of one type: counted first, then added up.
    const query = flux`from(bucket: ${bucket})
  |> range(start: ${new Date(FIRST)}, stop: ${new Date(LAST)})
  |> filter(fn: (r) => r.account == ${account})
  |> count()
  |> group()
  |> sum()
`;
    await connection.query(query, (row) => void (points += row.number('_value')), action, signal);
    if (!dry && points > 0) {
      const body = { start: FIRST, stop: LAST, predicate: `account="${account}"` };
      await new DeleteAPI(connection.client).postDelete({ org: connection.org, bucket, body });
    }
  } catch (cause) {
    const error = translateInflux(cause, action, connection.url);
    if (isHeadroomError(error) && error.kind === 'not-found') return { bucket, points: null };
    throw error;
  }
  return { bucket, points };
}
