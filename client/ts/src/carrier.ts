// Carriers: what brings frames to a gateway and back. They know nothing of
// sessions.

import { Code, decodeMessage, decodeJSON, encodeJSON, encodeMessage, encodeStream, Kind, ProtocolError, StreamDecoder, subprotocol } from "./frame.js";
import type { Frame } from "./frame.js";

/** What a carrier tells. After closed it tells nothing more. */
export interface Listener {
  open(): void;
  frame(frame: Frame): void;
  closed(code: number, reason: string): void;
}

/** A connection. */
export interface Carrier {
  write(frame: Frame): void;
  /** Ends the connection; nothing more is told of it. Of all codes only 1000 ends the session too. */
  close(code: number, reason: string): void;
}

export type Dial = (url: string, listener: Listener) => Carrier;

/** Whether URLs of the scheme can be dialled here. */
export function carries(url: string, socket: typeof WebSocket | undefined): boolean {
  if (/^wss?:/.test(url)) return socket !== undefined;
  return url.startsWith("https:") && typeof WebTransport !== "undefined";
}

export function dialWebSocket(url: string, listener: Listener, socket: typeof WebSocket): Carrier {
  const ws = new socket(url, [subprotocol]);
  let over = false;
  const end = (code: number, reason: string) => {
    if (over) return;
    over = true;
    listener.closed(code, reason);
  };
  ws.binaryType = "arraybuffer";
  ws.onopen = () => {
    if (over) return;
    if (ws.protocol === subprotocol) return listener.open();
    ws.close();
    end(Code.protocol, `the server does not speak ${subprotocol}`);
  };
  ws.onmessage = ({ data }) => {
    if (over) return;
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError("a text message where frames are spoken");
      listener.frame(decodeMessage(new Uint8Array(data)));
    } catch (e) {
      ws.close(); // a page cannot give 1002
      end(Code.protocol, String(e));
    }
  };
  ws.onclose = ({ code, reason }) => end(code, reason);
  return {
    write: (frame) => {
      if (ws.readyState === ws.OPEN) ws.send(encodeMessage(frame));
    },
    close: (code, reason) => {
      over = true;
      // Pages may give 1000 and codes from 3000 on.
      if (code === Code.normal || code >= 3000) ws.close(code, clip(reason));
      else ws.close();
    },
  };
}

export function dialWebTransport(url: string, listener: Listener, options: WebTransportOptions, largest: number): Carrier {
  const transport = new WebTransport(url, options);
  let writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  let over = false;
  const end = (code: number, reason: string) => {
    if (over) return;
    over = true;
    listener.closed(code, reason);
    transport.close();
  };
  const run = async () => {
    await transport.ready;
    const stream = await transport.createBidirectionalStream();
    if (over) return;
    writer = stream.writable.getWriter();
    listener.open();
    const frames = new StreamDecoder(largest);
    const reader: ReadableStreamDefaultReader<Uint8Array> = stream.readable.getReader();
    while (!over) {
      const { value, done } = await reader.read();
      if (done) return end(Code.abnormal, "the stream has ended");
      frames.push(value);
      for (let frame = frames.next(); frame && !over; frame = frames.next()) {
        if (frame.kind !== Kind.close) {
          listener.frame(frame);
          continue;
        }
        const { code, reason } = decodeJSON(frame.payload);
        end(Number(code), String(reason));
      }
    }
  };
  const failed = (e: unknown) => end(e instanceof ProtocolError ? e.code : Code.abnormal, String(e));
  transport.closed.then(() => end(Code.abnormal, "the connection has ended"), failed);
  run().catch(failed);
  return {
    write: (frame) => {
      if (!over) writer?.write(encodeStream(frame)).catch(failed);
    },
    close: (code, reason) => {
      if (over) return;
      over = true;
      void (async () => {
        try {
          if (code !== Code.goingAway && code !== Code.abnormal) await writer?.write(encodeStream(encodeJSON(Kind.close, { code, reason: clip(reason) })));
          await writer?.close();
        } catch {
          // It has ended meanwhile.
        }
        transport.close();
      })();
    },
  };
}

// A close frame of a WebSocket has room for 123 bytes.
function clip(reason: string): string {
  return new TextEncoder().encode(reason).length <= 123 ? reason : reason.slice(0, 40);
}
