/**
 * Two repairs of amqplib's handshake (2.x), both at the one place where it is dialled.
 *
 * - A broker that refuses a connection says why in connection.close (no such vhost, no permission,
 *   a connection limit). After connection.open amqplib drops that text and reports "Expected
 *   ConnectionOpenOk". The frame is read here before amqplib judges it. amqplib exports no hook for
 *   that, so a method of its connection class is wrapped; without the method nothing is wrapped,
 *   and only the text is missing.
 * - amqplib decodes the user and password of a URL as Latin-1, while RabbitMQ compares UTF-8.
 */
import { dirname, join } from 'node:path';
import { credentials } from 'amqplib/callback_api';

interface Frame {
  readonly id?: number;
  readonly fields?: { readonly replyCode?: number; readonly replyText?: string };
}

type Take = (error: unknown, frame: Frame | null) => void;

interface Handshaking {
  step?(take: Take): void;
}

/** Class 10, method 50 of AMQP 0-9-1. */
const CONNECTION_CLOSE = (10 << 16) + 50;

/** Makes amqplib report the broker's own code and text. Needed once in a process. */
export function keepReasonOfClose(): void {
  // `exports` of the package closes its folders to import; an absolute path is none of its names.
  const path = join(dirname(require.resolve('amqplib')), 'lib/connection.js');
  const { Connection } = require(path) as { readonly Connection?: { readonly prototype: Handshaking } };
  const step = Connection?.prototype.step;
  if (Connection === undefined || step === undefined) return;
  Connection.prototype.step = function (this: Handshaking, take: Take): void {
    step.call(this, (error, frame) => {
      if (frame?.id === CONNECTION_CLOSE) take(refusalOf(frame), null);
      else take(error, frame);
    });
  };
}

/** The user and password of an AMQP URL, `guest` where it names neither. */
export function credentialsOf(url: string): ReturnType<typeof credentials.plain> {
  const { username, password } = new URL(url);
  if (username === '' && password === '') return credentials.plain('guest', 'guest');
  return credentials.plain(decodeURIComponent(username), decodeURIComponent(password));
}

/** As amqplib reports a close of an open connection: the reply code is the error's `code`. */
function refusalOf({ fields = {} }: Frame): Error {
  const { replyCode: code, replyText = '' } = fields;
  return Object.assign(new Error(replyText), { code });
}
