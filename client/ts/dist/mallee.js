// A client of the Mallee gateway: one connection that survives.
//
//   const client = new Client("wss://game.example/", { login: () => fetchLogin() });
//   client.on("message", (data) => draw(data));
//   client.on("lost", () => client.send("give me everything anew"));
//   client.send("hello");
import { carries, dialWebSocket, dialWebTransport } from "./carrier.js";
import { action, Code, Kind, ProtocolError } from "./frame.js";
import { Session } from "./session.js";
export { BufferFull } from "./session.js";
const clock = {
    after: (ms, run) => setTimeout(run, ms),
    cancel: (timer) => clearTimeout(timer),
    random: Math.random,
};
/**
 * Client is one session with a gateway, across its connections. It connects at
 * once, and again whenever it has to.
 *
 * URLs are tried in order: https: is WebTransport, wss: and ws: are WebSockets.
 */
export class Client {
    #options;
    #clock;
    #dial;
    #known;
    #handlers = new Map();
    #session;
    #state = "waiting";
    #urls;
    #url = 0;
    #failed = 0; // attempts since a connection that lasted
    #refused;
    #link;
    #successor; // dialled while the link still works
    #timers = new Map();
    constructor(url, options = {}) {
        const socket = options.WebSocket ?? globalThis.WebSocket;
        this.#options = options;
        this.#clock = options.clock ?? clock;
        this.#dial =
            options.dial ??
                ((url, listener) => (url.startsWith("https:") ? dialWebTransport(url, listener, options.webTransport ?? {}, options.largest ?? 16 << 20) : dialWebSocket(url, listener, socket)));
        this.#known = [url].flat().filter((u) => options.dial !== undefined || carries(u, socket));
        if (this.#known.length === 0)
            throw new TypeError("none of the URLs can be used here; Node 20 needs options.WebSocket");
        this.#urls = this.#known;
        this.#session = new Session({ messages: options.buffer?.messages ?? 1024, bytes: options.buffer?.bytes ?? 4 << 20 }, options.resume);
        queueMicrotask(() => void this.#connect()); // handlers first
    }
    get state() {
        return this.#state;
    }
    /** Where another Client could go on, in a page that is loaded anew. */
    get resume() {
        return this.#session.resume;
    }
    /** Messages that the gateway has not acknowledged. */
    get buffered() {
        return this.#session.buffered;
    }
    /** Calls the handler from now on; what it returns takes it away. */
    on(name, handler) {
        const handlers = this.#handlers.get(name) ?? new Set();
        this.#handlers.set(name, handlers.add(handler));
        return () => handlers.delete(handler);
    }
    /**
     * Sends a message now or when there is a connection, once. It throws
     * BufferFull if too much is waiting for the gateway, RangeError if the message
     * is larger than the gateway takes.
     */
    send(message) {
        if (this.#state === "closed")
            throw new Error("the client is closed");
        this.#session.send(message);
        this.#flush();
    }
    /** Ends the session. */
    close(reason = "") {
        if (this.#state === "closed")
            return;
        this.#link?.carrier?.close(Code.normal, reason);
        this.#end();
        this.#finish({ code: Code.normal, reason });
    }
    async #connect() {
        if (this.#state === "closed")
            return;
        this.#enter("connecting");
        let login;
        if (!this.#session.resume) {
            try {
                login = typeof this.#options.login === "function" ? await this.#options.login(this.#refused) : this.#options.login;
            }
            catch (e) {
                return this.#finish(this.#refused ?? { code: 4101, reason: String(e) });
            }
            if (this.#isClosed())
                return;
        }
        const link = new Link();
        this.#link = link;
        const isLast = this.#url === this.#urls.length - 1;
        const timeout = Math.min(this.#options.timeout ?? 10_000, isLast ? Infinity : 3_000);
        this.#set("timeout", timeout, () => this.#lose(link, Code.abnormal, "the gateway has not answered in time"));
        this.#open(link, () => link.carrier?.write(this.#session.begin(login)));
    }
    // Dials the present URL for a link.
    #open(link, opened) {
        const url = this.#urls[this.#url];
        try {
            link.carrier = this.#dial(url, {
                open: opened,
                frame: (frame) => this.#read(link, frame),
                closed: (code, reason) => this.#lose(link, code, reason),
            });
        }
        catch (e) {
            queueMicrotask(() => this.#lose(link, Code.abnormal, String(e)));
        }
    }
    #read(link, frame) {
        if (link !== this.#link)
            return; // a newer connection has begun
        this.#silent = 0;
        try {
            this.#handle(link, frame);
        }
        catch (e) {
            const code = e instanceof ProtocolError ? e.code : Code.protocol;
            link.carrier?.close(code, String(e));
            this.#lose(link, code, String(e));
        }
    }
    #handle(link, frame) {
        const event = this.#session.read(frame);
        switch (event.type) {
            case "open":
                link.welcomed = true;
                this.#cancel("timeout");
                this.#refused = undefined;
                this.#set("lasts", this.#pause(), () => (this.#failed = 0));
                this.#beat(link, event.welcome.ping_ms || 30_000);
                this.#enter("open");
                this.#emit("open", { session: event.welcome.session, resumed: event.welcome.resumed });
                if (event.lost)
                    this.#emit("lost", event.lost);
                break;
            case "message":
                this.#emit("message", event.data);
                break;
            case "lost":
                this.#emit("lost", event.lost);
                break;
            case "move":
                this.#emit("moved", { within: event.within });
                this.#set("move", this.#clock.random() * event.within, () => this.#move(event.urls));
                break;
            case "close":
                return this.#lose(link, event.code, event.reason);
            case "reply":
                link.carrier?.write(event.frame);
        }
        this.#flush();
    }
    // Writes what waits, and acks.
    #flush() {
        const carrier = this.#link?.carrier;
        if (!carrier)
            return;
        for (let frame = this.#session.next(); frame; frame = this.#session.next())
            carrier.write(frame);
        const ack = this.#session.ack(this.#options.ack?.every ?? 32);
        if (ack)
            carrier.write(ack);
        if (!this.#session.owes || this.#timers.has("ack"))
            return;
        this.#set("ack", this.#options.ack?.after ?? 1_000, () => {
            const ack = this.#session.ack(1);
            if (ack)
                this.#link?.carrier?.write(ack);
        });
    }
    // Pings twice in the time in which the gateway wants to hear something. It
    // counts pings without an answer, not time: a page that sleeps hears nothing.
    #silent = 0;
    #beat(link, ping) {
        this.#set("beat", ping / 2, () => {
            if (this.#silent++ >= 2) {
                link.carrier?.close(Code.abnormal, "");
                return this.#lose(link, Code.abnormal, "nothing was heard of the gateway");
            }
            link.carrier?.write({ kind: Kind.ping, payload: new Uint8Array() });
            this.#beat(link, ping);
        });
    }
    // Goes to another gateway: the old connection is used until the new one is
    // there, and what was on its way comes again.
    #move(urls) {
        if (!this.#session.resume)
            return; // it stays until it is closed
        const socket = this.#options.WebSocket ?? globalThis.WebSocket;
        this.#urls = [...urls.filter((u) => this.#options.dial !== undefined || carries(u, socket)), ...this.#known];
        this.#url = 0;
        this.#succeed();
    }
    #succeed() {
        const link = new Link();
        this.#successor = link;
        this.#set("timeout", this.#options.timeout ?? 10_000, () => this.#lose(link, Code.abnormal, "no gateway to move to"));
        this.#open(link, () => {
            this.#link?.carrier?.close(Code.goingAway, "");
            this.#cancel("beat");
            this.#successor = undefined;
            this.#link = link;
            this.#enter("connecting");
            link.carrier?.write(this.#session.begin(undefined));
        });
    }
    // A connection is gone.
    #lose(link, code, reason) {
        if (link === this.#successor) {
            link.carrier?.close(Code.abnormal, "");
            this.#successor = undefined;
            this.#nextURL();
            return this.#set("timeout", this.#delay(), () => this.#succeed());
        }
        if (link !== this.#link)
            return;
        link.carrier?.close(Code.abnormal, "");
        this.#end();
        const closed = { code, reason };
        const then = this.#judge(closed);
        if (then === "stop")
            return this.#finish(closed);
        this.#emit("close", { ...closed, action: then });
        if (this.#isClosed())
            return;
        this.#enter("waiting");
        // Another URL is tried at once, and after the last one a pause is made.
        const again = !link.welcomed && then === "resume" && this.#nextURL();
        this.#set("again", again ? 0 : this.#delay(), () => void this.#connect());
    }
    // What to do after a close.
    #judge(closed) {
        const then = action(closed.code);
        if (then !== "login")
            return then;
        this.#session.forget();
        if (closed.code === Code.resumeRefused)
            return then;
        this.#refused = closed;
        // The same login would be refused again.
        return typeof this.#options.login === "function" || closed.code === Code.loginLate ? then : "stop";
    }
    // Reports whether there is a URL that was not tried since the last pause.
    #nextURL() {
        this.#url = (this.#url + 1) % this.#urls.length;
        return this.#url !== 0;
    }
    // The longest pause before the next attempt; #delay is a random part of it.
    #pause() {
        const { first = 250, longest = 10_000 } = this.#options.backoff ?? {};
        return Math.min(longest, first * 2 ** this.#failed);
    }
    #delay() {
        const pause = this.#clock.random() * this.#pause();
        this.#failed++;
        return pause;
    }
    // Ends all that belongs to connections.
    #end() {
        this.#successor?.carrier?.close(Code.abnormal, "");
        this.#successor = this.#link = undefined;
        this.#silent = 0;
        for (const name of [...this.#timers.keys()])
            this.#cancel(name);
    }
    #finish(closed) {
        this.#enter("closed");
        this.#emit("close", { ...closed, action: "stop" });
    }
    #isClosed() {
        return this.#state === "closed";
    }
    #enter(state) {
        if (this.#state === state)
            return;
        this.#state = state;
        this.#emit("state", state);
    }
    #emit(name, event) {
        for (const handler of this.#handlers.get(name) ?? []) {
            try {
                handler(event);
            }
            catch (e) {
                // A mistake of the application is reported as one, and is no reason to lose the session.
                queueMicrotask(() => {
                    throw e;
                });
            }
        }
    }
    #set(name, ms, run) {
        this.#cancel(name);
        const timer = this.#clock.after(ms, () => {
            this.#timers.delete(name);
            run();
        });
        this.#timers.set(name, timer);
    }
    #cancel(name) {
        if (this.#timers.has(name))
            this.#clock.cancel(this.#timers.get(name));
        this.#timers.delete(name);
    }
}
// One connection, or an attempt at one.
class Link {
    carrier;
    welcomed = false;
}
