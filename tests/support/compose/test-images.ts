/**
 * Names of the images that the acceptance tests build, so that those of `docker compose up` in the
 * same checkout stay what they are.
 */
export const TEST_IMAGES = {
  RLOG_IMAGE: 'replicated-log:test',
  RLOG_BROKER_IMAGE: 'replicated-log-rabbitmq:test',
} as const;
