import { checkInflux } from '../../telemetry/influxdb/setup.js';
import { createPrometheusClient } from '../../telemetry/prometheus/client.js';
import { prometheusOptions } from '../../telemetry/prometheus/options.js';
import { influxOfEnvironment } from '../influxdb.js';
import type { Check } from './finding.js';

/** A doctor does not wait as long as a cycle does. */
const TIMEOUT_SECONDS = 10;

const never = (): AbortSignal => new AbortController().signal;

/** InfluxDB and Prometheus, each only where the environment names it. */
export async function checkTelemetry(env: NodeJS.ProcessEnv, check: Check): Promise<void> {
  const given = (name: string): boolean => env[name] !== undefined && env[name] !== '';
  if (given('INFLUX_URL')) {
    await check('influxdb', 'set INFLUX_URL, INFLUX_TOKEN, INFLUX_ORG and INFLUX_BUCKET', () => {
      const { url, names } = influxOfEnvironment(env, '--source influxdb');
      return `bucket ${names.bucket} at ${url}`;
    }).then(async (complete) => {
      if (!complete) return;
      const { connection, names } = influxOfEnvironment(env, '--source influxdb', TIMEOUT_SECONDS);
      for (const { name, ok, detail } of await checkInflux(connection, names, never())) {
        await check(`influxdb ${name}`, '`headroom telemetry init` makes what is missing; docs/telemetry.md', () => {
          if (!ok) throw new Error(detail);
          return detail;
        });
      }
    });
  }
  if (given('PROMETHEUS_URL')) {
    const remedy = 'correct PROMETHEUS_URL and its token; docs/telemetry.md names the variables';
    await check('prometheus', remedy, async () => {
      const options = prometheusOptions(env);
      const client = createPrometheusClient({ ...options, timeout: TIMEOUT_SECONDS });
      try {
        const up = await client.instant('count(up)', Date.now() / 1000, 'asking what it scrapes', never());
        return `answers at ${options.url}; ${up[0]?.value ?? 0} targets`;
      } finally {
        client.close();
      }
    });
  }
}
