import type { ProvidedBroker } from '../../rabbitmq/provide';

export default async function globalTeardown(): Promise<void> {
  await (globalThis as { rlogTestBroker?: ProvidedBroker }).rlogTestBroker?.stop();
}
