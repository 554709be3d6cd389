import { metricLines, usageLines } from '../../src/telemetry/influxdb/lines.js';
import { createInfluxTelemetry } from '../../src/telemetry/influxdb/source.js';
import { createInfluxWriter } from '../../src/telemetry/influxdb/writer.js';
import { serveTrouble } from '../contract/trouble-proxy.js';
import { usageSourceContract } from '../contract/usage-source.js';
import { ownBucket } from './influxdb-bucket.js';
import { real } from './real.js';

const readOnly =
  'the source reads; what is written goes through the writer, and test/real/influxdb-writer.test.ts tests it';

usageSourceContract(
  'influxdb, the real server',
  async () => {
    const bucket = await ownBucket();
    const between = await serveTrouble(real.influx.url);
    const writer = createInfluxWriter(bucket.connection, { bucket: bucket.name });
    return {
      source: createInfluxTelemetry({ ...bucket.access, url: between.url, timeout: 1 }),
      async load(key, samples) {
        await writer.write(usageLines({ key, samples: [...samples] }));
        await writer.flush();
      },
      async loadMetric(key, samples) {
        await writer.write(metricLines({ ...key, samples: [...samples] }));
        await writer.flush();
      },
      make: between.make,
      async close() {
        await between.close();
        await bucket.remove();
      },
    };
  },
  {
    'a repeated write writes nothing': readOnly,
    'a correction is read, and an older snapshot keeps its bytes': readOnly,
    'a snapshot of the same content has the same id': readOnly,
    'late data is not in a snapshot taken before': readOnly,
    'a snapshot is read from any bin on': readOnly,
    'records are replaced by kind and id, and listed for their account alone': readOnly,
    'records are read on from a place, oldest first': readOnly,
  },
);
