// The shopping cart as a user function: a gRPC server that speaks Cloudstate's
// protocol. It answers two services: discovery, by which a sidecar learns what
// there is, and the protocol of event sourced entities.

import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const beside = (path) => fileURLToPath(new URL(path, import.meta.url));

const protos = loadSync(
  [
    'com/example/shoppingcart/shoppingcart.proto',
    'com/example/shoppingcart/persistence/domain.proto',
    'com/example/stock/stock.proto',
    'cloudstate/entity.proto',
    'cloudstate/event_sourced.proto',
  ],
  { includeDirs: [beside('../proto'), beside('../../../proto')], keepCase: true, defaults: true, oneofs: true, longs: Number },
);

const shop = 'com.example.shoppingcart.';
const domain = 'com.example.shoppingcart.persistence.';
const urlPrefix = 'type.googleapis.com/';

// snapshotEvery is after how many events the state is stored too, so that the
// next activation does not need all of them.
const snapshotEvery = 100;

// pack makes an Any of a message, and unpack makes [type, message] of an Any.
const pack = (type, message) => ({ type_url: urlPrefix + type, value: protos[type].serialize(message) });

function unpack(any) {
  const type = any.type_url.slice(any.type_url.lastIndexOf('/') + 1);
  if (!protos[type]) throw new Error(`there is no message ${type} here`);
  return [type, protos[type].deserialize(any.value)];
}

// Cart is the state of one activation of one cart.
class Cart {
  constructor({ entity_id, snapshot }) {
    this.user = entity_id;
    this.sequence = snapshot ? snapshot.snapshot_sequence : 0;
    this.items = snapshot ? unpack(snapshot.snapshot)[1].items : [];
  }

  find(product) {
    return this.items.find((item) => item.productId === product);
  }

  // apply is all that changes a cart, when an event happens and when it is replayed.
  apply(type, event) {
    this.sequence++;
    switch (type) {
      case domain + 'ItemAdded': {
        const item = this.find(event.item.productId);
        if (item) item.quantity += event.item.quantity;
        else this.items.push({ ...event.item });
        break;
      }
      case domain + 'ItemRemoved':
        this.items = this.items.filter((item) => item.productId !== event.productId);
        break;
    }
  }

  // handle answers a command: a reply of the protocol.
  handle(command) {
    const [type, message] = unpack(command.payload);
    switch (type) {
      case shop + 'AddLineItem': {
        if (message.quantity <= 0) return fail(command, `cannot add ${message.quantity} of item ${message.product_id}`);
        const item = { productId: message.product_id, name: message.name, quantity: message.quantity };
        return this.change(command, message.product_id, domain + 'ItemAdded', { item });
      }
      case shop + 'RemoveLineItem':
        if (!this.find(message.product_id)) return fail(command, `item ${message.product_id} is not in the cart`);
        return this.change(command, message.product_id, domain + 'ItemRemoved', { productId: message.product_id });
      case shop + 'GetShoppingCart': {
        const items = this.items.map(({ productId, name, quantity }) => ({ product_id: productId, name, quantity }));
        return reply(command, pack(shop + 'Cart', { items }));
      }
    }
    return fail(command, `there is no command ${command.name}`);
  }

  // change lets an event happen. The sidecar stores it before the client gets
  // the reply; if it cannot, this activation ends, and what was applied with it.
  change(command, product, type, event) {
    this.apply(type, event);
    const answer = reply(command, { type_url: urlPrefix + 'google.protobuf.Empty' });
    answer.events = [pack(type, event)];
    if (this.sequence % snapshotEvery === 0) answer.snapshot = pack(domain + 'Cart', { items: this.items });
    if (process.argv.includes('-stock')) answer.side_effects = [this.reservation(product)];
    return answer;
  }

  // reservation is a side effect on a service that may be in any language: here
  // it is a Go actor.
  reservation(product) {
    const quantity = this.find(product)?.quantity ?? 0;
    return {
      service_name: 'com.example.stock.Stock',
      command_name: 'Reserve',
      payload: pack('com.example.stock.Reservation', { product_id: product, user_id: this.user, quantity }),
      synchronous: true,
    };
  }
}

const reply = (command, payload) => ({ command_id: command.id, client_action: { reply: { payload } } });

const fail = (command, description) => ({ command_id: command.id, client_action: { failure: { command_id: command.id, description } } });

// A stream is one activation: first what is stored of the cart, then its
// commands, one at a time. The end of the stream is the end of the activation.
function handle(stream) {
  let cart;
  stream.on('data', (message) => {
    try {
      if (message.init) cart = new Cart(message.init);
      else if (message.event) cart.apply(...unpack(message.event.payload));
      else stream.write({ reply: cart.handle(message.command) });
    } catch (error) {
      stream.destroy(error);
    }
  });
  stream.on('end', () => stream.end());
  stream.on('error', (error) => console.error(error.message));
}

// discover says what entities there are. shoppingcart.binpb describes their
// services: a set of file descriptors, as protoc and buf write it.
function discover(_, callback) {
  callback(null, {
    proto: fs.readFileSync(beside('shoppingcart.binpb')),
    entities: [
      {
        entity_type: 'cloudstate.eventsourced.EventSourced',
        service_name: shop + 'ShoppingCart',
        persistence_id: 'shopping-cart',
      },
    ],
    service_info: {
      service_name: 'shopping-cart',
      service_runtime: `node ${process.version}`,
      protocol_major_version: 0,
      protocol_minor_version: 2,
    },
  });
}

// reportError gets what the sidecar has against the user function.
function reportError({ request }, callback) {
  console.error(request.message);
  callback(null, {});
}

const server = new grpc.Server();
server.addService(protos['cloudstate.EntityDiscovery'], { discover, reportError });
server.addService(protos['cloudstate.eventsourced.EventSourced'], { handle });

const address = `${process.env.HOST || '127.0.0.1'}:${process.env.PORT || 8080}`;
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`shopping carts at ${address.replace(/:\d+$/, '')}:${port}`);
});
