/** The settings of the echo server and of its client. */
import { LOG_LEVELS, type LogLevel } from '#process/node-settings';
import { hostField, webUrlField, wholeNumberField, wordField } from '#process/setting-fields';
import { type Environment, readSettings } from '#process/settings';

const PORT = 8080;

interface EchoServerSettings {
  readonly logLevel: LogLevel;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

interface EchoClientSettings {
  readonly logLevel: LogLevel;
  /** Address of the server, without a slash at its end. */
  readonly url: string;
}

/** Reads the server's settings. Throws a `ConfigError` that names every fault. */
export function readEchoServerSettings(environment: Environment = process.env): EchoServerSettings {
  const values = readSettings(environment, {
    LOG_LEVEL: wordField(LOG_LEVELS, 'info'),
    HTTP_HOST: hostField('127.0.0.1'),
    HTTP_PORT: wholeNumberField({ min: 0, max: 65_535, fallback: PORT }),
  });
  return Object.freeze({ logLevel: values.LOG_LEVEL, host: values.HTTP_HOST, port: values.HTTP_PORT });
}

/** Reads the client's settings. Throws a `ConfigError` that names every fault. */
export function readEchoClientSettings(environment: Environment = process.env): EchoClientSettings {
  const values = readSettings(environment, {
    LOG_LEVEL: wordField(LOG_LEVELS, 'info'),
    ECHO_URL: webUrlField(),
  });
  return Object.freeze({ logLevel: values.LOG_LEVEL, url: values.ECHO_URL ?? `http://127.0.0.1:${PORT}` });
}
