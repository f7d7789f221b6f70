"""The models of event sourced entities, with Cloudstate's library for Python."""

from dataclasses import dataclass

from google.api import annotations_pb2  # the library looks for it

from cloudstate.cloudstate import CloudState
from cloudstate.entity_pb2 import Forward, SideEffect
from cloudstate.event_sourced_context import EventSourcedCommandContext, SnapshotContext
from cloudstate.event_sourced_entity import EventSourcedEntity
from sidecartest import eventsourced_pb2 as tck

services = tck.DESCRIPTOR.services_by_name
two = services["EventSourcedTwo"]


@dataclass
class State:
    text: str = ""


model = EventSourcedEntity(
    services["EventSourcedTckModel"],
    [tck.DESCRIPTOR],
    lambda entity_id: State(),
    persistence_id="event-sourced-tck-model",
    snapshot_every=5,
)


def call(target, id, **more):
    to = target(service_name=two.full_name, command_name="Call", **more)
    to.payload.Pack(tck.Request(id=id))
    return to


@model.snapshot()
def snapshot(state: State, context: SnapshotContext):
    return tck.Persisted(value=state.text)


@model.event_handler(tck.Persisted)
def persisted(state: State, event: tck.Persisted):
    if event.value == "unreadable":
        raise ValueError("an event that cannot be read")
    state.text += event.value


@model.command_handler("Process")
def process(state: State, request: tck.Request, context: EventSourcedCommandContext):
    text = state.text  # the library handles events when this has returned
    for action in request.actions:
        which = action.WhichOneof("action")
        if which == "emit":
            context.emit(tck.Persisted(value=action.emit.value))
            text += action.emit.value
        elif which == "forward":
            context.forward = call(Forward, action.forward.id)
        elif which == "effect":
            effect = call(SideEffect, action.effect.id, synchronous=action.effect.synchronous)
            context.effects.append(effect)
        elif which == "fail":
            context.fail(action.fail.message)
    if not context.forward:
        return tck.Response(message=text)


other = EventSourcedEntity(two, [tck.DESCRIPTOR], lambda entity_id: State())


@other.command_handler("Call")
def called(state: State, request: tck.Request):
    return tck.Response()


if __name__ == "__main__":
    CloudState().register_event_sourced_entity(model).register_event_sourced_entity(other).start()
