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
} as const;

/** Codes that the client itself closes with, or treats in its own way. */
export const Code = {
  normal: 1000,
  goingAway: 1001,
  protocol: 1002,
  abnormal: 1006,
  tooLarge: 1009,
  loginLate: 4104,
  resumeRefused: 4105,
} as const;

/** The largest payload of a frame without data, in bytes. */
export const maxControl = 16 << 10;

/** What a client should do after its connection was closed. */
export type Action = "stop" | "resume" | "login";

/** What the range of a code says. */
export function action(code: number): Action {
  if (code === 0 || code === Code.goingAway || code === 1005 || code === Code.abnormal) return "resume";
  if ((code >= 1011 && code <= 1015) || (code >= 4000 && code < 4100)) return "resume";
  if (code >= 4100 && code < 4200) return "login";
  return "stop";
}

/** A mistake of the other side: the connection is to be closed with the code. */
export class ProtocolError extends Error {
  readonly code: number;
  constructor(message: string, code: number = Code.protocol) {
    super(message);
    this.name = "ProtocolError";
    this.code = code;
  }
}

/** A frame as the client handles it. */
export interface Frame {
  kind: number;
  payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}

export function decodeText(payload: Uint8Array): string {
  try {
    return decoder.decode(payload);
  } catch {
    throw new ProtocolError("text that is not UTF-8", 1007);
  }
}

export function encodeJSON(kind: number, value: unknown): Frame {
  return { kind, payload: encodeText(JSON.stringify(value)) };
}

export function decodeJSON(payload: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(decodeText(payload));
  } catch {
    throw new ProtocolError("a control frame that is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError("a control frame that is not a JSON object");
  }
  return value as Record<string, unknown>;
}

/** A message of a WebSocket: kind, payload. */
export function encodeMessage(frame: Frame): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(1 + frame.payload.length);
  message[0] = frame.kind;
  message.set(frame.payload, 1);
  return message;
}

export function decodeMessage(message: Uint8Array): Frame {
  const kind = message[0];
  if (kind === undefined) throw new ProtocolError("a frame without a kind");
  return { kind, payload: message.subarray(1) };
}

/** A frame of a stream: length in four bytes, big endian; kind; payload. */
export function encodeStream(frame: Frame): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(5 + frame.payload.length);
  new DataView(bytes.buffer).setUint32(0, 1 + frame.payload.length);
  bytes[4] = frame.kind;
  bytes.set(frame.payload, 5);
  return bytes;
}

/** Cuts what comes on a stream into frames. */
export class StreamDecoder {
  #chunks: Uint8Array[] = [];
  #size = 0;
  readonly #largest: number;

  constructor(largest: number) {
    this.#largest = Math.max(largest, maxControl) + 1;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  next(): Frame | undefined {
    if (this.#size < 4) return undefined;
    const header = this.#join(4);
    const length = new DataView(header.buffer, header.byteOffset).getUint32(0);
    if (length === 0) throw new ProtocolError("a frame without a kind");
    if (length > this.#largest) throw new ProtocolError(`a frame of ${length} bytes`, Code.tooLarge);
    if (this.#size < 4 + length) return undefined;
    const all = this.#join(4 + length);
    this.#chunks[0] = all.subarray(4 + length);
    this.#size -= 4 + length;
    return decodeMessage(all.subarray(4, 4 + length));
  }

  // Makes the first chunk hold at least so many bytes.
  #join(size: number): Uint8Array {
    const first = this.#chunks[0];
    if (first && first.length >= size) return first;
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
export function encodeAck(received: number): Frame {
  const bytes: number[] = [];
  for (; received >= 0x80; received = Math.floor(received / 0x80)) bytes.push((received % 0x80) | 0x80);
  bytes.push(received);
  return { kind: Kind.ack, payload: Uint8Array.from(bytes) };
}

export function decodeAck(payload: Uint8Array): number {
  let received = 0;
  let scale = 1;
  for (const [i, byte] of payload.entries()) {
    received += (byte & 0x7f) * scale;
    scale *= 0x80;
    if (byte < 0x80 && i === payload.length - 1 && Number.isSafeInteger(received)) return received;
    if (byte < 0x80 || i > 7) break;
  }
  throw new ProtocolError("an acknowledgement that is not one number");
}
