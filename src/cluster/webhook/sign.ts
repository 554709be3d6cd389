import { createHmac, timingSafeEqual } from 'node:crypto';

/*
 * The signature of a webhook's request: HMAC-SHA256 over the time of sending and the body, so that neither can be altered
 * and an old request cannot be sent again later. docs/fleet.md shows a receiver.
 */

export const TIMESTAMP_HEADER = 'headroom-timestamp';
export const SIGNATURE_HEADER = 'headroom-signature';
const VERSION = 'v1';

/** `v1=` and 64 hexadecimal digits. @param timestamp epoch seconds, as sent in the header. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `${VERSION}=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/**
 * What a receiver does with a request: compares in constant time, and refuses what is too old.
 * @param now epoch seconds.
 * @param tolerance seconds that a request may have been under way, or the clocks be apart.
 */
export function isSigned(
  secret: string,
  request: { timestamp: string | undefined; signature: string | undefined; body: string },
  now: number,
  tolerance = 300,
): boolean {
  const { timestamp, signature, body } = request;
  if (timestamp === undefined || signature === undefined || !/^\d+$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp)) > tolerance) return false;
  const expected = Buffer.from(signatureOf(secret, timestamp, body));
  const given = Buffer.from(signature);
  return expected.length === given.length && timingSafeEqual(expected, given);
}
