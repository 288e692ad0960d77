/** What is needed of a WebSocket: browsers', Node's and that of the package `ws` are such. */
export interface Socket {
  addEventListener(type: 'open' | 'error', listener: () => void): void;
  addEventListener(type: 'message', listener: (message: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (closing: { code: number }) => void): void;
  close(): void;
}

export type SocketConstructor = new (url: string) => Socket;

/** How many messages may wait, and how long they may be together, in characters. */
const MOST_WAITING = 1_000;
const MOST_CHARACTERS = 16_000_000;
/** Stands for a close code when we let the socket go. */
const LET_GO = 0;

/** How a socket ended. */
export interface Closing {
  code: number;
  wasOpen: boolean;
}

/**
 * The messages of a socket, one after the other. They are pushed, however slow the reader is: when too much waits, the socket is let
 * go, and the reader connects again once it has taken what is there.
 */
export class Inbox {
  readonly #socket: Socket;
  readonly #waiting: string[] = [];
  #characters = 0;
  #wasOpen = false;
  #isFull = false;
  #closing: Closing | undefined;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.addEventListener('open', () => {
      this.#wasOpen = true;
      this.#wake();
    });
    socket.addEventListener('message', (message) => {
      this.#take(message.data);
    });
    // A failure is followed by a close, which says all. The package `ws` wants somebody to hear of it, though.
    socket.addEventListener('error', () => undefined);
    socket.addEventListener('close', ({ code }) => {
      this.#closing = { code, wasOpen: this.#wasOpen };
      this.#wake();
    });
  }

  /** Waits until there is a message, the socket is open or it has closed. */
  async changed(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length > 0 || this.#closing !== undefined || this.#isFull) return;
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        // Whatever it was aborted with.
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
        reject(signal.reason);
      };
      this.#wake = () => {
        signal.removeEventListener('abort', stop);
        resolve();
      };
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  }

  /** The next message, if one is there. */
  next(): string | undefined {
    const message = this.#waiting.shift();
    this.#characters -= message?.length ?? 0;
    return message;
  }

  /** How it ended, if it did. A socket that was let go ended by our own will. */
  get closing(): Closing | undefined {
    return this.#closing ?? (this.#isFull ? { code: LET_GO, wasOpen: true } : undefined);
  }

  #take(data: unknown): void {
    // Frames are texts. What follows a missing one must not be delivered, either.
    if (this.#isFull || typeof data !== 'string') return;
    this.#waiting.push(data);
    this.#characters += data.length;
    if (this.#waiting.length >= MOST_WAITING || this.#characters >= MOST_CHARACTERS) {
      this.#isFull = true;
      this.#socket.close();
    }
    this.#wake();
  }
}
