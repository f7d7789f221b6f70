import type { Carrier, Dial } from "./carrier.js";
import type { Action } from "./frame.js";
import type { Bounds, Login, Lost, Message, Resume } from "./session.js";
export { BufferFull } from "./session.js";
export type { Action, Bounds, Carrier, Dial, Login, Lost, Message, Resume };
export type { Listener } from "./carrier.js";
export type { Frame } from "./frame.js";
/** Why a connection was closed. */
export interface Closed {
    code: number;
    reason: string;
}
/** Timers and chance, which tests replace. Times are in milliseconds. */
export interface Clock {
    after(ms: number, run: () => void): unknown;
    cancel(timer: unknown): void;
    random(): number;
}
/** Options of a Client. Times are in milliseconds. */
export interface Options {
    /**
     * What the gateway's login asks for. A function is called before each
     * connection that needs a login: the first one, and one after a session that
     * cannot be resumed; it gets the close code if a login has been refused, and
     * may throw to give up. A value is sent once more only where a fresh one is
     * not needed.
     */
    login?: Login | ((refused?: Closed) => Login | Promise<Login>);
    /** Goes on with a session of which the page had kept `client.resume`. */
    resume?: Resume;
    /** What is kept until the gateway has it. Defaults to 1024 messages and 4 MiB. */
    buffer?: Partial<Bounds>;
    /** Pause before the first and the longest before a further attempt, of which a random part is taken. Defaults to 250 and 10,000. */
    backoff?: {
        first?: number;
        longest?: number;
    };
    /** How long an attempt may take; 3,000 at most where another URL is left. Defaults to 10,000. */
    timeout?: number;
    /** An ack is sent after so many messages, or so long after a message. Defaults to 32 and 1,000. */
    ack?: {
        every?: number;
        after?: number;
    };
    /** The largest message that is taken of a stream, in bytes. Defaults to 16 MiB. */
    largest?: number;
    /** Where there is none of that name, as in Node 20. */
    WebSocket?: typeof WebSocket;
    /** Options of WebTransport, such as serverCertificateHashes. */
    webTransport?: WebTransportOptions;
    /** For tests. */
    dial?: Dial;
    clock?: Clock;
}
/** What a Client tells. */
export interface Events {
    /** The connection is ready; resumed: with the session of before, and nothing is missing. */
    open: {
        session: string;
        resumed: boolean;
    };
    message: Message;
    /** Messages are missing, in their place among the others. */
    lost: Lost;
    /** The gateway is about to stop; the client goes to another one by itself, within so many milliseconds. */
    moved: {
        within: number;
    };
    /** A connection has ended; the action says what the client does next. After "stop" it is over. */
    close: Closed & {
        action: Action;
    };
    state: State;
}
/** connecting → open → waiting → connecting … closed. */
export type State = "connecting" | "open" | "waiting" | "closed";
type Handler<K extends keyof Events> = (event: Events[K]) => void;
/**
 * Client is one session with a gateway, across its connections. It connects at
 * once, and again whenever it has to.
 *
 * URLs are tried in order: https: is WebTransport, wss: and ws: are WebSockets.
 */
export declare class Client {
    #private;
    constructor(url: string | string[], options?: Options);
    get state(): State;
    /** Where another Client could go on, in a page that is loaded anew. */
    get resume(): Resume | undefined;
    /** Messages that the gateway has not acknowledged. */
    get buffered(): number;
    /** Calls the handler from now on; what it returns takes it away. */
    on<K extends keyof Events>(name: K, handler: Handler<K>): () => void;
    /**
     * Sends a message now or when there is a connection, once. It throws
     * BufferFull if too much is waiting for the gateway, RangeError if the message
     * is larger than the gateway takes.
     */
    send(message: Message): void;
    /** Ends the session. */
    close(reason?: string): void;
}
