// Frames: a kind, one byte, and a payload. See docs/gateway.md, "Protocol for
// clients"; the Go package wire/edge has the same words.
export const subprotocol = "mallee.v1";
export const version = 1;
/** Kinds of frames. */
export const Kind = {
    login: 1,
    welcome: 2,
    text: 3,
    binary: 4,
    ack: 5,
    lost: 6,
    move: 7,
    ping: 8,
    pong: 9,
    close: 10,
};
/** Codes that the client itself closes with, or treats in its own way. */
export const Code = {
    normal: 1000,
    goingAway: 1001,
    protocol: 1002,
    abnormal: 1006,
    tooLarge: 1009,
    loginLate: 4104,
    resumeRefused: 4105,
};
/** The largest payload of a frame without data, in bytes. */
export const maxControl = 16 << 10;
/** What the range of a code says. */
export function action(code) {
    if (code === 0 || code === Code.goingAway || code === 1005 || code === Code.abnormal)
        return "resume";
    if ((code >= 1011 && code <= 1015) || (code >= 4000 && code < 4100))
        return "resume";
    if (code >= 4100 && code < 4200)
        return "login";
    return "stop";
}
/** A mistake of the other side: the connection is to be closed with the code. */
export class ProtocolError extends Error {
    code;
    constructor(message, code = Code.protocol) {
        super(message);
        this.name = "ProtocolError";
        this.code = code;
    }
}
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
export function encodeText(text) {
    return encoder.encode(text);
}
export function decodeText(payload) {
    try {
        return decoder.decode(payload);
    }
    catch {
        throw new ProtocolError("text that is not UTF-8", 1007);
    }
}
export function encodeJSON(kind, value) {
    return { kind, payload: encodeText(JSON.stringify(value)) };
}
export function decodeJSON(payload) {
    let value;
    try {
        value = JSON.parse(decodeText(payload));
    }
    catch {
        throw new ProtocolError("a control frame that is not JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        throw new ProtocolError("a control frame that is not a JSON object");
    }
    return value;
}
/** A message of a WebSocket: kind, payload. */
export function encodeMessage(frame) {
    const message = new Uint8Array(1 + frame.payload.length);
    message[0] = frame.kind;
    message.set(frame.payload, 1);
    return message;
}
export function decodeMessage(message) {
    const kind = message[0];
    if (kind === undefined)
        throw new ProtocolError("a frame without a kind");
    return { kind, payload: message.subarray(1) };
}
/** A frame of a stream: length in four bytes, big endian; kind; payload. */
export function encodeStream(frame) {
    const bytes = new Uint8Array(5 + frame.payload.length);
    new DataView(bytes.buffer).setUint32(0, 1 + frame.payload.length);
    bytes[4] = frame.kind;
    bytes.set(frame.payload, 5);
    return bytes;
}
/** Cuts what comes on a stream into frames. */
export class StreamDecoder {
    #chunks = [];
    #size = 0;
    #largest;
    constructor(largest) {
        this.#largest = Math.max(largest, maxControl) + 1;
    }
    push(chunk) {
        this.#chunks.push(chunk);
        this.#size += chunk.length;
    }
    next() {
        if (this.#size < 4)
            return undefined;
        const header = this.#join(4);
        const length = new DataView(header.buffer, header.byteOffset).getUint32(0);
        if (length === 0)
            throw new ProtocolError("a frame without a kind");
        if (length > this.#largest)
            throw new ProtocolError(`a frame of ${length} bytes`, Code.tooLarge);
        if (this.#size < 4 + length)
            return undefined;
        const all = this.#join(4 + length);
        this.#chunks[0] = all.subarray(4 + length);
        this.#size -= 4 + length;
        return decodeMessage(all.subarray(4, 4 + length));
    }
    // Makes the first chunk hold at least so many bytes.
    #join(size) {
        const first = this.#chunks[0];
        if (first && first.length >= size)
            return first;
        const all = new Uint8Array(this.#size);
        let at = 0;
        for (const chunk of this.#chunks) {
            all.set(chunk, at);
            at += chunk.length;
        }
        this.#chunks = [all];
        return all;
    }
}
/** The payload of an ack: seven bits to a byte, the low ones first, the high bit set in all but the last. */
export function encodeAck(received) {
    const bytes = [];
    for (; received >= 0x80; received = Math.floor(received / 0x80))
        bytes.push((received % 0x80) | 0x80);
    bytes.push(received);
    return { kind: Kind.ack, payload: Uint8Array.from(bytes) };
}
export function decodeAck(payload) {
    let received = 0;
    let scale = 1;
    for (const [i, byte] of payload.entries()) {
        received += (byte & 0x7f) * scale;
        scale *= 0x80;
        if (byte < 0x80 && i === payload.length - 1 && Number.isSafeInteger(received))
            return received;
        if (byte < 0x80 || i > 7)
            break;
    }
    throw new ProtocolError("an acknowledgement that is not one number");
}
