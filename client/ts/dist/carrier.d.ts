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
export declare function carries(url: string, socket: typeof WebSocket | undefined): boolean;
export declare function dialWebSocket(url: string, listener: Listener, socket: typeof WebSocket): Carrier;
export declare function dialWebTransport(url: string, listener: Listener, options: WebTransportOptions, largest: number): Carrier;
