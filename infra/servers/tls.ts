import { request } from 'node:https';

/** True where a GET answers 2xx. Without a CA the certificate is the server's own and not looked at. */
export const answersTls = (url: string, trust: { ca?: Buffer; token?: string } = {}): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const { ca, token } = trust;
    const asked = request(
      url,
      {
        ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
        ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
        timeout: 2000,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode !== undefined && response.statusCode < 300);
      },
    );
    asked.once('error', reject).once('timeout', () => asked.destroy(new Error('no answer within 2 s')));
    asked.end();
  });
