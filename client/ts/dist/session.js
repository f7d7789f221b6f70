// The client's end of a session across its connections: what it has received,
// and what has to be sent, or sent again. It has no socket and no clock.
import { decodeAck, decodeJSON, decodeText, encodeAck, encodeJSON, encodeText, Kind, ProtocolError, version } from "./frame.js";
const none = { type: "none" };
/** Thrown by send: the gateway has not acknowledged what is kept for it. */
export class BufferFull extends Error {
    constructor() {
        super("the send buffer is full: the gateway has not acknowledged what is in it");
        this.name = "BufferFull";
    }
}
// Both sides count data frames from the beginning of the epoch. Of those of the
// client, [0, first) have come to their end, [first, next) are written to this connection,
// and [next, first + kept.length) are not. After a resume next goes back.
export class Session {
    /** Of the last connection. */
    welcome;
    #bounds;
    #welcomed = false; // on this connection
    #token = "";
    #epoch = "";
    #received = 0;
    #acked = 0;
    #kept = [];
    #size = 0;
    #first = 0;
    #next = 0;
    #written = 0; // the highest next of the epoch: what may have arrived
    #unsure = 0; // lost.sent, as last told in the epoch
    #stored = false; // the first resume is of a life before: what it had sent is not known
    constructor(bounds, stored) {
        this.#bounds = bounds;
        if (stored) {
            this.#token = stored.token;
            this.#epoch = stored.epoch;
            this.#received = stored.received;
            this.#stored = true;
        }
    }
    /** Where to go on; undefined without a session that can be resumed. */
    get resume() {
        if (this.#token === "")
            return undefined;
        return { token: this.#token, epoch: this.#epoch, received: this.#received };
    }
    /** Gives up the token, after a gateway has refused it. */
    forget() {
        this.#token = "";
    }
    /** Messages that the gateway has not acknowledged. */
    get buffered() {
        return this.#kept.length;
    }
    /** Whether the gateway could be told of what has come. */
    get owes() {
        return this.#welcomed && this.#received > this.#acked;
    }
    /** Begins a connection: the frame to write first. */
    begin(login) {
        this.#welcomed = false;
        return encodeJSON(Kind.login, { version, login, resume: this.resume });
    }
    send(message) {
        const frame = typeof message === "string" ? { kind: Kind.text, payload: encodeText(message) } : { kind: Kind.binary, payload: message.slice() };
        const largest = this.welcome?.max_message || Infinity;
        if (frame.payload.length > largest)
            throw new RangeError(`a message of ${frame.payload.length} bytes; the gateway takes ${largest}`);
        const full = this.#kept.length >= this.#bounds.messages || this.#size + frame.payload.length > this.#bounds.bytes;
        if (full && this.#kept.length > 0)
            throw new BufferFull();
        this.#kept.push(frame);
        this.#size += frame.payload.length;
    }
    /** The next frame to write to this connection, if there is one. */
    next() {
        if (!this.#welcomed)
            return undefined;
        const frame = this.#kept[this.#next - this.#first];
        if (frame) {
            this.#next++;
            this.#written = Math.max(this.#written, this.#next);
        }
        return frame;
    }
    /** An ack to write, if at least every data frames have come since the last one. */
    ack(every) {
        if (!this.#welcomed || this.#received - this.#acked < every)
            return undefined;
        this.#acked = this.#received;
        return encodeAck(this.#received);
    }
    /** Takes a frame that has come. It throws a ProtocolError with which the connection is to be closed. */
    read({ kind, payload }) {
        if (!this.#welcomed && kind !== Kind.welcome && kind !== Kind.close) {
            throw new ProtocolError(`a frame of kind ${kind} before the welcome`);
        }
        switch (kind) {
            case Kind.text: {
                const data = decodeText(payload);
                this.#received++;
                return { type: "message", data };
            }
            case Kind.binary:
                this.#received++;
                return { type: "message", data: payload.slice() }; // with a buffer of its own
            case Kind.ping:
                return { type: "reply", frame: { kind: Kind.pong, payload } };
            case Kind.pong:
                return none;
            case Kind.ack:
                return this.#readAck(payload);
            case Kind.welcome:
                return this.#readWelcome(payload);
            case Kind.lost:
                return this.#readLost(payload);
            case Kind.move: {
                const move = decodeJSON(payload);
                const urls = Array.isArray(move["urls"]) ? move["urls"].filter((u) => typeof u === "string") : [];
                return { type: "move", within: count(move, "within_ms"), urls };
            }
            case Kind.close: {
                const closed = decodeJSON(payload);
                return { type: "close", code: count(closed, "code"), reason: string(closed, "reason") };
            }
        }
        throw new ProtocolError(`a frame of the unknown kind ${kind}`);
    }
    #readAck(payload) {
        const n = decodeAck(payload);
        if (n > this.#next)
            throw new ProtocolError(`${n} frames acknowledged of ${this.#next}`);
        if (n > this.#first)
            this.#drop(n);
        return none;
    }
    #readLost(payload) {
        const said = decodeJSON(payload);
        const missed = count(said, "count");
        this.#received += missed; // as if they had come
        const sent = Math.max(count(said, "sent") - this.#unsure, 0); // it counts from the beginning of the epoch
        this.#unsure += sent;
        return missed === 0 && sent === 0 ? none : { type: "lost", lost: { count: missed, sent } };
    }
    #readWelcome(payload) {
        const said = decodeJSON(payload);
        const welcome = {
            session: string(said, "session"),
            token: string(said, "token"),
            epoch: string(said, "epoch"),
            resumed: said["resumed"] === true,
            received: count(said, "received"),
            window_ms: count(said, "window_ms"),
            ping_ms: count(said, "ping_ms"),
            max_message: count(said, "max_message"),
        };
        if (welcome.epoch === "")
            throw new ProtocolError("a welcome without an epoch");
        if (this.#welcomed) {
            if (welcome.epoch !== this.#epoch)
                throw new ProtocolError("a new epoch amid a connection");
            this.#token = welcome.token;
            return none;
        }
        const lost = welcome.resumed ? this.#goOn(welcome) : this.#beginEpoch(welcome);
        this.#welcomed = true;
        this.#token = welcome.token;
        this.#epoch = welcome.epoch;
        this.welcome = welcome;
        return { type: "open", welcome, lost };
    }
    // Goes on with an epoch: what the gateway does not have is sent again. What it
    // has is kept until it says that the actor has seen it: should the gateway
    // die, the client has to know what it cannot be sure of.
    #goOn(welcome) {
        const at = welcome.received;
        if (this.#stored) {
            this.#stored = false;
            this.#first = this.#written = at;
        }
        if (welcome.epoch !== this.#epoch || at < this.#first || at > this.#written) {
            throw new ProtocolError(`resumed at frame ${at} of epoch "${welcome.epoch}"; the client has sent ${this.#first} to ${this.#written} of "${this.#epoch}"`);
        }
        this.#next = at;
        this.#acked = this.#received; // resume has told
    }
    // Begins to count anew. What was written in the epoch before is not sent
    // again: the actor may have seen it.
    #beginEpoch(welcome) {
        const lost = this.#epoch === "" ? undefined : { count: undefined, sent: this.#written - this.#first };
        this.#drop(this.#written);
        this.#first = this.#next = this.#written = welcome.received;
        this.#received = this.#acked = this.#unsure = 0;
        this.#stored = false;
        return lost;
    }
    // Forgets what has arrived: frames before the given one.
    #drop(until) {
        for (const frame of this.#kept.splice(0, until - this.#first))
            this.#size -= frame.payload.length;
        this.#first = until;
    }
}
function count(from, name) {
    const value = from[name] ?? 0;
    if (!Number.isSafeInteger(value) || value < 0)
        throw new ProtocolError(`${name} is not a count`);
    return value;
}
function string(from, name) {
    const value = from[name] ?? "";
    if (typeof value !== "string")
        throw new ProtocolError(`${name} is not a string`);
    return value;
}
