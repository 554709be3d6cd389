import { BucketsAPI, OrgsAPI } from '@influxdata/influxdb-client-apis';
import { createInfluxConnection, type InfluxConnection } from '../../src/telemetry/influxdb/connection.js';
import { real, uniqueName } from './real.js';

/** A bucket of the test's own on the shared server. */
export interface OwnBucket {
  name: string;
  access: { url: string; token: string; org: string; bucket: string };
  connection: InfluxConnection;
  remove(): Promise<void>;
}

export async function ownBucket(at: { url: string; token: string; org: string } = real.influx): Promise<OwnBucket> {
  const { url, token, org } = at;
  const connection = createInfluxConnection({ url, token, org });
  const name = uniqueName('telemetry');
  const { orgs = [] } = await new OrgsAPI(connection.client).getOrgs({ org });
  const orgID = orgs[0]?.id;
  if (orgID === undefined) throw new Error(`there is no organisation ${org}`);
  const buckets = new BucketsAPI(connection.client);
  const { id } = await buckets.postBuckets({ body: { name, orgID, retentionRules: [] } });
  if (id === undefined) throw new Error('the bucket has no id');
  return {
    name,
    access: { url, token, org, bucket: name },
    connection,
    remove: () => buckets.deleteBucketsID({ bucketID: id }),
  };
}
