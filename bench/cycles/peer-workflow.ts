import { proxyActivities, sleep } from '@temporalio/workflow';

/** Three activities that do nothing. */
export interface PeerActivities {
  first(): Promise<void>;
  second(): Promise<void>;
  third(): Promise<void>;
}

const { first, second, third } = proxyActivities<PeerActivities>({
  startToCloseTimeout: '60s',
  retry: { initialInterval: '500ms' },
});

/** The least that a durable loop can be: three activities and a timer to the next boundary of `every` milliseconds. */
export async function peerLoop(every: number): Promise<void> {
  for (;;) {
    await first();
    await second();
    await third();
    await sleep(Math.max(1, every - (Date.now() % every)));
  }
}
