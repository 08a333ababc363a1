import type { Socket } from 'node:net';
import type { SMTPServer } from 'smtp-server';
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import type { Admission, Guest } from './admission.ts';
import { type Answer, AuthDialog } from './auth/dialog.ts';
import type { Gatekeeper } from './auth/gatekeeper.ts';
import { maxExchangeOctets } from './auth/sasl.ts';
import { type AddressCommand, readAddressCommand, readHandedOn, verb } from './command.ts';
import type { Received } from './data.ts';
import { Deadline } from './deadline.ts';
import { Framing, maxCommandOctets } from './framing.ts';
import type { SmtpLimits } from './limits.ts';
import type { Receiver } from './receive.ts';
import { acceptedReply, decisionReply, faultedReply, faultReply, lineRefusal, type Reply } from './reply.ts';

export interface SessionOptions {
  readonly receiver: Receiver;
  readonly maxBytes: number;
  readonly limits: SmtpLimits;
  readonly admission: Admission<Session>;
  /** Whom clients have to log in with before they send. */
  readonly gatekeeper: Gatekeeper | undefined;
}

/**
 * One connection of a client. smtp-server keeps the state of the session, the order of commands and the STARTTLS
 * upgrade; put in its place here are how octets become commands and data (`Framing`), what is let through to it
 * before and after TLS, how data is answered, and all time limits: its own limit is on idleness alone, so that an
 * octet now and then would hold a session for ever.
 */
export class Session extends SMTPConnection implements Guest {
  readonly #receiver: Receiver;
  readonly #maxBytes: number;
  readonly #limits: SmtpLimits;
  readonly #admission: Admission<Session>;
  /** The client hands on what it has accepted already. */
  readonly #handsOn: boolean;
  /** Where clients have to log in before they send. */
  readonly #auth: AuthDialog | undefined;
  readonly #tls: Deadline = new Deadline(() => this.#expire());
  readonly #command: Deadline = new Deadline(() => this.#expire());
  readonly #data: Deadline = new Deadline(() => this.#expire());
  readonly #rate: Deadline = new Deadline(() => this.#checkRate());
  readonly #session: Deadline = new Deadline(() => this.#expire());
  #octetsAtLastCheck = 0;
  /** A message is in the receiver's hands. */
  #deciding = false;
  /** The session ends once the message in hand is answered. */
  #retired = false;
  /** The command in hand is one whose reply need not be waited for. */
  #inGroup = false;

  constructor(server: SMTPServer, socket: Socket, from: SMTPConnectionOptions, options: SessionOptions) {
    super(server, socket, from);
    this.#receiver = options.receiver;
    this.#maxBytes = options.maxBytes;
    this.#limits = options.limits;
    this.#admission = options.admission;
    this.#handsOn = options.receiver.handsOn?.(this.remoteAddress) ?? false;
    this.#auth = options.gatekeeper && new AuthDialog(options.gatekeeper, this.remoteAddress);
    this.#session.set(this.#limits.sessionMs);
    this.#tls.set(this.#limits.tlsMs);
  }

  /** A client of implicit TLS holds its place from before the handshake, and is told nothing if there is none. */
  override init(): void {
    const early = this.needsUpgrade;
    if (early && !this.#admission.admit(this)) {
      this.destroy();
      return;
    }
    this._setListeners(() => {
      if (early || this.#admission.admit(this))
        setTimeout(() => this.connectionReady(), this.#limits.greetingMs).unref();
      else this.dismiss();
    });
  }

  /** Ends the session: at once, or with the answer to the message in hand. */
  retire(): void {
    if (this.phase !== 'idle') this.#retired = true;
    else this.#leave('4.3.2 going down');
  }

  get phase(): Guest['phase'] {
    if (this.#deciding) return 'deciding';
    return this._parser instanceof Framing && this._parser._dataMode ? 'receiving' : 'idle';
  }

  /** Makes place for another: a client that does not take the reply, or does not hang up, is not waited for. */
  dismiss(): void {
    if (this._closing || this._socket.writableLength > 0) this.destroy();
    else this.#leave('4.3.2 too many connections');
    this._socket.destroySoon();
  }

  /** Ends the session with no word more. */
  destroy(): void {
    this._socket.destroy();
  }

  override _createParser(): Framing {
    return new Framing({
      command: (line, resume) => this._onCommand(line, resume),
      maxOctets: (line) => this.#maxLineOctets(line),
      tooLong: () => this.#leave('5.5.2 line too long'),
      data: (received, resume) => void this.#answerData(received, resume),
    });
  }

  override _onCommand(line: Buffer, callback: () => void = nothing): void {
    if (!this._ready || this._upgrading || this._closing) {
      super._onCommand(line, callback);
      return;
    }
    this.#inGroup = groupVerbs.has(verb(line));
    this.#command.set(this.#limits.commandMs);
    if (this.#auth?.open) {
      void this.#answerAuth(this.#auth.take(line.toString('latin1')), callback);
      return;
    }
    const refusal = lineRefusal(line, this.secure, this.#handsOn);
    if (refusal === undefined) super._onCommand(line, callback);
    else this.#refuse(refusal, callback);
  }

  #refuse(reply: Reply, resume: () => void): void {
    this._unrecognizedCommands += 1;
    if (this._unrecognizedCommands >= maxRefusals) {
      this.#leave('5.5.0 too many errors');
    } else {
      this.#reply(reply);
      this._whenWritable(resume);
    }
  }

  /** smtp-server's limit on idleness would not wait for the answer to a message; `commandMs` takes its place. */
  override _armTimeout(): void {}

  /** AUTH exists where there is somebody to ask, and only over TLS. smtp-server would advertise it in clear. */
  override _isSupported(command: string): boolean {
    return command === 'AUTH' ? this.#auth !== undefined && this.secure : super._isSupported(command);
  }

  override handler_AUTH(command: Buffer, callback: () => void): void {
    if (this.#auth === undefined || this.#auth.author !== undefined)
      this.#refuse([503, '5.5.1', 'logged in already'], callback);
    else void this.#answerAuth(this.#auth.take(command.toString('latin1')), callback);
  }

  /** Of the commands AUTH alone may be longer than others, and what belongs to it. */
  #maxLineOctets(line: Buffer): number {
    const ofAuth = this.#auth?.open || (this._isSupported('AUTH') && verb(line) === 'AUTH');
    return ofAuth && this.#auth?.author === undefined ? maxExchangeOctets : maxCommandOctets;
  }

  async #answerAuth(answering: Promise<Answer>, resume: () => void): Promise<void> {
    this.#command.clear();
    const answer = await answering;
    if (this._closed || this._closing) return;
    this.#command.set(this.#limits.commandMs);
    if (answer.kind === 'challenge') {
      if (this._parser instanceof Framing && this._parser.pendingOctets > 0) {
        // As with DATA: what came before it was asked for might be a command to one end and a password to the other.
        this.#reply([503, '5.5.1', 'response before 334']);
        this.close();
        return;
      }
      this.send(334, answer.text);
    } else {
      this.session.user = this.#auth?.author; // with one, smtp-server demands no AUTH any more
      this.#reply(answer.reply);
      if (answer.last) this.#leave('4.7.0 too many failed logins');
    }
    if (!this._closing) this._whenWritable(resume);
  }

  override _parseAddressCommand(name: string, command: Buffer | string): AddressCommand | false {
    const line = command.toString('latin1');
    return this.#handsOn && name === 'mail from' ? readHandedOn(name, line) : readAddressCommand(name, line);
  }

  override handler_DATA(_command: Buffer, callback: () => void): void {
    const framing = this._parser;
    if (!(framing instanceof Framing)) return;
    if (framing.pendingOctets > 0) {
      // DATA ends a group (RFC 2920 section 3.1). What was sent behind it unasked would run as commands if DATA were refused.
      this.#reply([554, '5.5.0', 'data before 354']);
      this.close();
      return;
    }
    if (this.session.envelope.rcptTo.length === 0) {
      this.#reply([503, '5.5.1', 'RCPT first']);
      callback();
      return;
    }
    framing.startData(this.#maxBytes, this.#handsOn ? Infinity : this.#maxBytes + cutMargin);
    this.#command.clear();
    this.#data.set(this.#limits.dataMs);
    this.#octetsAtLastCheck = 0;
    this.#rate.set(this.#limits.rateWindowMs);
    this.send(354, 'go on');
    callback();
  }

  async #answerData(received: Received, resume: () => void): Promise<void> {
    this.#data.clear();
    this.#rate.clear();
    this.#deciding = true;
    const reply = await this.#decide(received);
    this.#deciding = false;
    if (this._closed) return;
    this._transactionCounter += 1;
    this._unrecognizedCommands = 0;
    this._resetSession();
    this.#command.set(this.#limits.commandMs);
    this.#reply(reply);
    if (this.#retired) this.#leave('4.3.2 going down');
    else if (received.kind === 'cut') this.#stopReading();
    else this._whenWritable(resume);
  }

  async #decide(received: Received): Promise<Reply> {
    const { mailFrom, rcptTo } = this.session.envelope;
    const envelope = { from: mailFrom === false ? '' : mailFrom.address, handedOn: this.#handsOn };
    if (received.kind !== 'message') {
      const decision = this.#handsOn ? this.#receiver.onUnreadable?.(envelope) : undefined;
      if (decision !== undefined) return decisionReply(decision);
      return faultReply[received.kind === 'cut' ? 'too-big' : received.fault];
    }
    const author = this.#auth?.author;
    // Not `requireTLS` of the envelope, which stays from a MAIL that was refused.
    const requireTls = mailFrom !== false && Object.keys(mailFrom.args).includes('REQUIRETLS');
    try {
      for (const { address } of rcptTo) {
        const message = {
          bytes: received.bytes,
          ...envelope,
          recipient: address,
          requireTls,
          ...(author === undefined ? {} : { author }),
        };
        const decision = await this.#receiver.onMessage(message);
        if (decision.kind !== 'accepted') return decisionReply(decision);
      }
      this.#admission.handedOver(this);
      return acceptedReply;
    } catch (fault) {
      this.#receiver.onFault?.(fault);
      return faultedReply;
    }
  }

  override upgrade(callback: () => void, secured?: () => void): void {
    super.upgrade(callback, () => {
      this.#tls.clear();
      this.#command.set(this.#limits.commandMs);
      secured?.();
    });
  }

  /** A text that begins with an RFC 3463 code keeps it; smtp-server knows only one for each reply code. */
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const said = Array.isArray(data) ? this.#offered(data) : data;
    // A group's replies leave together (RFC 2920 section 3.2).
    const more = this.#inGroup && this._parser instanceof Framing && this._parser.pendingLine;
    // What has piled up leaves all the same: a client's commands wait until it has.
    if (more && !this._socket.writableNeedDrain) this._socket.cork();
    super.send(code, said, typeof data === 'string' && enhancedCode.test(data) ? false : context);
    if (!more || this._socket.writableNeedDrain)
      while (this._socket.writableCorked > 0) this._socket.uncork();
  }

  /** The answer to EHLO: what smtp-server says, and what the receiver has to say to those who have come by TLS. */
  #offered(lines: readonly string[]): string[] {
    const own = this.#handsOn ? offeredToHandOn(lines) : lines;
    return [...own, ...(this.secure ? (this.#receiver.offers?.() ?? []) : [])];
  }

  override _onClose(): void {
    for (const deadline of [this.#tls, this.#command, this.#data, this.#rate, this.#session])
      deadline.clear();
    super._onClose();
    this.#admission.leave(this);
  }

  #checkRate(): void {
    const octets = this._parser instanceof Framing ? this._parser.messageOctets : 0;
    const least = (this.#limits.minBytesPerSecond * this.#limits.rateWindowMs) / 1000;
    if (octets - this.#octetsAtLastCheck < least) {
      this.#expire();
    } else {
      this.#octetsAtLastCheck = octets;
      this.#rate.set(this.#limits.rateWindowMs);
    }
  }

  #expire(): void {
    if (this.#deciding) this.#retired = true;
    else this.#leave('4.4.2 too slow');
  }

  /** Hangs up, and lets what the client still sends pile up on its own side until it does too. */
  #stopReading(): void {
    this.close();
    this._socket.pause();
  }

  #leave(text: string): void {
    // In the middle of a TLS handshake nothing can be said, and who has not read the last replies hears nothing.
    if (this._upgrading || this._socket.writableNeedDrain) this.destroy();
    else this.send(421, text);
  }

  #reply([code, enhanced, text]: Reply): void {
    this.send(code, `${enhanced} ${text}`);
  }
}

/** The answer to EHLO: no size is too much (RFC 1870 section 4), and a return path may be UTF-8 (RFC 6531). */
function offeredToHandOn(lines: readonly string[]): string[] {
  return [...lines.map((line) => line.replace(/^SIZE \d+$/, 'SIZE')), 'SMTPUTF8'];
}

const groupVerbs: ReadonlySet<string> = new Set(['MAIL', 'RCPT', 'RSET']);
/** Refusals in a row before the session ends, as in smtp-server for commands that it does not know. */
const maxRefusals = 10;
/** Octets past the limit that are read on, so that a client a little too big hears why. */
const cutMargin = 65_536;
const enhancedCode = /^[245]\.\d{1,3}\.\d{1,3} /;
const nothing = (): void => {};
