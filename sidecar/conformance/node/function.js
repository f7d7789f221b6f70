// The models of event sourced and of replicated entities, and a stateless
// function, with Cloudstate's library for Node.
const { CloudState, EventSourced, Stateless } = require("cloudstate");
const replicated = require("./replicated");

const includeDirs = [process.env.PROTOS];

const model = new EventSourced("sidecartest/eventsourced.proto", "cloudstate.tck.model.EventSourcedTckModel", {
  persistenceId: "event-sourced-tck-model",
  snapshotEvery: 5,
  includeDirs,
});
const other = new EventSourced("sidecartest/eventsourced.proto", "cloudstate.tck.model.EventSourcedTwo", {
  persistenceId: "event-sourced-two",
  includeDirs,
});
const action = new Stateless("sidecartest/action.proto", "cloudstate.tck.model.action.ActionTckModel", { includeDirs });

const Persisted = model.lookupType("cloudstate.tck.model.Persisted");
const Response = model.lookupType("cloudstate.tck.model.Response");
const call = other.grpc.cloudstate.tck.model.EventSourcedTwo.service.Call;

model.setInitial(() => Persisted.create({ value: "" }));
model.setBehavior(() => ({
  commandHandlers: {
    Process: (request, state, context) => {
      let text = state.value; // the library handles events when this has returned
      for (const action of request.actions) {
        if (action.emit) {
          context.emit(Persisted.create(action.emit));
          text += action.emit.value;
        } else if (action.forward) {
          context.thenForward(call, { id: action.forward.id });
        } else if (action.effect) {
          context.effect(call, { id: action.effect.id }, action.effect.synchronous);
        } else if (action.fail) {
          context.fail(action.fail.message);
        }
      }
      return Response.create(text ? { message: text } : {});
    },
  },
  eventHandlers: {
    Persisted: (event, state) => {
      if (event.value === "unreadable") {
        throw new Error("an event that cannot be read");
      }
      return Persisted.create({ value: state.value + event.value });
    },
  },
}));

other.setInitial(() => Persisted.create({ value: "" }));
other.setBehavior(() => ({
  commandHandlers: { Call: () => Response.create({}) },
  eventHandlers: {},
}));

// The replies of a request, in the groups of the model.
const replies = (request) =>
  request.groups.map((group) => {
    const said = group.steps.filter((step) => step.reply).pop();
    return said ? { message: said.reply.message } : {};
  });

action.commandHandlers = {
  ProcessUnary: (request) => replies(request).pop() || {},
  ProcessStreamedOut: (stream, request) => {
    replies(request).forEach((reply) => stream.write(reply));
    stream.end();
  },
  ProcessStreamed: (stream, request) => replies(request).forEach((reply) => stream.write(reply)),
};

new CloudState().addEntity(model, other, action, replicated.model, replicated.other, replicated.configured).start({
  bindAddress: process.env.HOST,
  bindPort: process.env.PORT,
});
