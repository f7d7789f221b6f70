import type { Frame } from "./frame.js";
/** What an application sends and receives: text, or bytes. */
export type Message = string | Uint8Array;
/** What a login is: a JSON object, or a string with a JWT. */
export type Login = Record<string, unknown> | string;
/** The point at which a session is to go on. It can be stored. */
export interface Resume {
    token: string;
    epoch: string;
    /** Data frames of the epoch that the client has. */
    received: number;
    /** Connections for the session so far, so that of two gateways that both have let the client in the later one has it. */
    attempt?: number;
}
/** The gateway's first frame. */
export interface Welcome {
    session: string;
    token: string;
    epoch: string;
    resumed: boolean;
    received: number;
    window_ms: number;
    ping_ms: number;
    max_message: number;
}
/** What the application has to know that it has missed. */
export interface Lost {
    /** Messages that will not come, which would be the next ones; undefined if the number is not known. */
    count: number | undefined;
    /** Messages of the client of which it is not known whether the actor has seen them. */
    sent: number;
}
/** What a frame of the gateway means. */
export type Event = {
    type: "open";
    welcome: Welcome;
    lost: Lost | undefined;
} | {
    type: "message";
    data: Message;
} | {
    type: "lost";
    lost: Lost;
} | {
    type: "move";
    within: number;
    urls: string[];
} | {
    type: "close";
    code: number;
    reason: string;
} | {
    type: "reply";
    frame: Frame;
} | {
    type: "none";
};
/** Thrown by send: the gateway has not acknowledged what is kept for it. */
export declare class BufferFull extends Error {
    constructor();
}
/** Bounds of what is kept until the gateway has acknowledged it. */
export interface Bounds {
    messages: number;
    bytes: number;
}
export declare class Session {
    #private;
    /** Of the last connection. */
    welcome: Welcome | undefined;
    constructor(bounds: Bounds, stored?: Resume);
    /** Where to go on; undefined without a session that can be resumed. */
    get resume(): Resume | undefined;
    /** Gives up the token, after a gateway has refused it. */
    forget(): void;
    /** Messages that the gateway has not acknowledged. */
    get buffered(): number;
    /** Whether the gateway could be told of what has come. */
    get owes(): boolean;
    /** Begins a connection: the frame to write first. */
    begin(login: Login | undefined): Frame;
    send(message: Message): void;
    /** The next frame to write to this connection, if there is one. */
    next(): Frame | undefined;
    /** An ack to write, if at least every data frames have come since the last one. */
    ack(every: number): Frame | undefined;
    /** Takes a frame that has come. It throws a ProtocolError with which the connection is to be closed. */
    read({ kind, payload }: Frame): Event;
}
