// The models of replicated entities with Cloudstate's library for Node.
const { Crdt, GCounter, PNCounter, GSet, ORSet, LWWRegister, Flag, ORMap, Vote, Clocks } = require("cloudstate").crdt;

const desc = "sidecartest/crdt.proto";
const options = { includeDirs: [process.env.PROTOS] };

const model = new Crdt(desc, "cloudstate.tck.model.crdt.CrdtTckModel", options);
const other = new Crdt(desc, "cloudstate.tck.model.crdt.CrdtTwo", options);
const configured = new Crdt(desc, "cloudstate.tck.model.crdt.CrdtConfigured", options);
const Response = model.lookupType("cloudstate.tck.model.crdt.Response");
const call = other.grpc.cloudstate.tck.model.crdt.CrdtTwo.service.Call;

// A new value, of the type that the name begins with.
const make = (name) => {
  switch (name.split("-")[0]) {
    case "GCounter":
      return new GCounter();
    case "PNCounter":
      return new PNCounter();
    case "GSet":
      return new GSet();
    case "ORSet":
      return new ORSet();
    case "LWWRegister":
      return new LWWRegister("");
    case "Flag":
      return new Flag();
    case "ORMap":
      return new ORMap();
    case "Vote":
      return new Vote();
  }
  throw new Error(name + " is not the name of a value");
};

const update = (value, u) => {
  if (u.gcounter) {
    value.increment(u.gcounter.increment);
  } else if (u.pncounter) {
    value.increment(u.pncounter.change);
  } else if (u.gset) {
    value.add(u.gset.add);
  } else if (u.orset) {
    updateSet(value, u.orset);
  } else if (u.lwwregister) {
    const clock = u.lwwregister.clock || { clockType: Clocks.DEFAULT, customClockValue: 0 };
    value.setWithClock(u.lwwregister.value, clock.clockType, clock.customClockValue);
  } else if (u.flag) {
    value.enable();
  } else if (u.ormap) {
    updateMap(value, u.ormap);
  } else if (u.vote) {
    value.vote = u.vote.selfVote;
  }
};

const updateSet = (set, u) => {
  if (u.action === "add") {
    set.add(u.add);
  } else if (u.action === "remove") {
    set.delete(u.remove);
  } else if (u.clear) {
    set.clear();
  }
};

const updateMap = (map, u) => {
  const entry = (key) => {
    if (!map.has(key)) {
      map.set(key, make(key));
    }
    return map.get(key);
  };
  if (u.action === "add") {
    entry(u.add);
  } else if (u.action === "update") {
    update(entry(u.update.key), u.update.update);
  } else if (u.action === "remove") {
    map.delete(u.remove);
  } else if (u.clear) {
    map.clear();
  }
};

// The fields that are not at their default: the library would encode the others
// too, which no other does.
const fields = (all) => {
  const some = {};
  Object.keys(all).forEach((name) => {
    const value = all[name];
    if (value && String(value) !== "0") {
      some[name] = value;
    }
  });
  return some;
};

// A value as responses have it.
const state = (value) => {
  if (value instanceof GCounter) {
    return { gcounter: fields({ value: value.longValue }) };
  } else if (value instanceof PNCounter) {
    return { pncounter: fields({ value: value.longValue }) };
  } else if (value instanceof GSet) {
    return { gset: { elements: Array.from(value).sort() } };
  } else if (value instanceof ORSet) {
    return { orset: { elements: Array.from(value).sort() } };
  } else if (value instanceof LWWRegister) {
    return { lwwregister: fields({ value: value.value }) };
  } else if (value instanceof Flag) {
    return { flag: fields({ value: value.value }) };
  } else if (value instanceof ORMap) {
    const keys = Array.from(value.keys()).sort();
    return { ormap: { entries: keys.map((key) => ({ key, value: state(value.get(key)) })) } };
  }
  return { vote: fields({ selfVote: value.vote, votesFor: value.votesFor, totalVoters: value.totalVoters }) };
};

// The library's default cannot depend on the entity.
const created = (context) => {
  if (context.state === null) {
    context.state = make(context.entityId);
  }
  return context.state;
};

model.commandHandlers = {
  Process: (request, context) => {
    request.actions.filter((action) => action.fail).forEach((action) => context.fail(action.fail.message));
    const value = created(context);
    let response = true;
    request.actions.forEach((action) => {
      if (action.update) {
        update(value, action.update);
      } else if (action.delete) {
        context.delete();
      } else if (action.forward) {
        context.thenForward(call, { id: action.forward.id });
        response = false;
      } else if (action.effect) {
        context.effect(call, { id: action.effect.id }, action.effect.synchronous);
      }
    });
    return response ? { state: state(value) } : undefined;
  },
  ProcessStreamed: (request, context) => {
    const value = created(context);
    if (request.initialUpdate) {
      update(value, request.initialUpdate);
    }
    const end = request.endState && JSON.stringify(request.endState.toJSON());
    context.onStateChange = (value, context) => {
      request.effects.forEach((effect) => context.effect(call, { id: effect.id }, effect.synchronous));
      const now = { state: state(value) };
      if (end && JSON.stringify(Response.fromObject(now).state.toJSON()) === end) {
        context.end();
      }
      return request.empty ? undefined : now;
    };
    if (request.cancelUpdate) {
      context.onStreamCancel = (value) => update(value, request.cancelUpdate);
    }
    return request.empty ? undefined : { state: state(value) };
  },
};

other.commandHandlers = {
  Call: (request, context) => {
    if (context.state === null) {
      context.state = new Flag();
    }
    if (request.actions.some((action) => action.delete)) {
      context.delete();
    }
    return {};
  },
};

// A value by default, which a command may leave alone. The library does not tell
// then that it has made it, and later sends changes of it.
configured.defaultValue = () => new GCounter();
configured.commandHandlers = {
  Call: (request, context) => {
    request.actions.forEach((action) => update(context.state, action.update));
    return { state: state(context.state) };
  },
};

module.exports = { model, other, configured };
