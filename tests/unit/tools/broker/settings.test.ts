import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { privateNodeSettings, renderSettings, sharedSettings } from '#tools/broker/settings';

const both = [...sharedSettings, ...privateNodeSettings({ amqp: 21_001, management: 21_002 })];

describe('the settings of our brokers', () => {
  it('are each given once, with a reason', () => {
    const keys = both.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { why } of both) expect(why.length).toBeGreaterThan(10);
  });

  it('render as lines of key = value below their comment', () => {
    const text = renderSettings('A title.', [{ key: 'a.b', value: '1', why: 'Because\nof this.' }]);
    expect(text).toBe('# A title.\n\n# Because of this.\na.b = 1\n');
  });

  it('wrap a long reason into comment lines', () => {
    const lines = renderSettings('t', [{ key: 'a', value: '1', why: 'word '.repeat(60).trim() }]).split('\n');
    expect(lines.every((line) => line.length <= 100)).toBe(true);
    expect(lines.filter((line) => line.includes('word')).every((line) => line.startsWith('# '))).toBe(true);
  });

  it('let a private node listen on loopback only, and on no default port', () => {
    const text = renderSettings('t', both);
    expect(text).toContain('listeners.tcp.local = 127.0.0.1:21001\n');
    expect(text).toContain('management.tcp.ip = 127.0.0.1\n');
    expect(text).toContain('management.tcp.port = 21002\n');
    expect(text).not.toMatch(/= .*\b1?5672\b/);
  });

  it('are what rabbitmq.conf says to those who mount it', () => {
    const path = join(__dirname, '../../../../rabbitmq/rabbitmq.conf');
    const title =
      'What every RabbitMQ of this project is told. Made from tools/broker/settings.ts, which a test compares it with.';
    expect(readFileSync(path, 'utf8')).toBe(renderSettings(title, sharedSettings));
  });
});
