export declare const subprotocol = "mallee.v1";
export declare const version = 1;
/** Kinds of frames. */
export declare const Kind: {
    readonly login: 1;
    readonly welcome: 2;
    readonly text: 3;
    readonly binary: 4;
    readonly ack: 5;
    readonly lost: 6;
    readonly move: 7;
    readonly ping: 8;
    readonly pong: 9;
    readonly close: 10;
};
/** Codes that the client itself closes with, or treats in its own way. */
export declare const Code: {
    readonly normal: 1000;
    readonly goingAway: 1001;
    readonly protocol: 1002;
    readonly abnormal: 1006;
    readonly tooLarge: 1009;
    readonly loginLate: 4104;
    readonly resumeRefused: 4105;
};
/** The largest payload of a frame without data, in bytes. */
export declare const maxControl: number;
/** What a client should do after its connection was closed. */
export type Action = "stop" | "resume" | "login";
/** What the range of a code says. */
export declare function action(code: number): Action;
/** A mistake of the other side: the connection is to be closed with the code. */
export declare class ProtocolError extends Error {
    readonly code: number;
    constructor(message: string, code?: number);
}
/** A frame as the client handles it. */
export interface Frame {
    kind: number;
    payload: Uint8Array;
}
export declare function encodeText(text: string): Uint8Array;
export declare function decodeText(payload: Uint8Array): string;
export declare function encodeJSON(kind: number, value: unknown): Frame;
export declare function decodeJSON(payload: Uint8Array): Record<string, unknown>;
/** A message of a WebSocket: kind, payload. */
export declare function encodeMessage(frame: Frame): Uint8Array<ArrayBuffer>;
export declare function decodeMessage(message: Uint8Array): Frame;
/** A frame of a stream: length in four bytes, big endian; kind; payload. */
export declare function encodeStream(frame: Frame): Uint8Array<ArrayBuffer>;
/** Cuts what comes on a stream into frames. */
export declare class StreamDecoder {
    #private;
    constructor(largest: number);
    push(chunk: Uint8Array): void;
    next(): Frame | undefined;
}
/** The payload of an ack: seven bits to a byte, the low ones first, the high bit set in all but the last. */
export declare function encodeAck(received: number): Frame;
export declare function decodeAck(payload: Uint8Array): number;
