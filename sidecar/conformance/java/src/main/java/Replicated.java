import cloudstate.tck.model.crdt.Crdt.Effect;
import cloudstate.tck.model.crdt.Crdt.FlagValue;
import cloudstate.tck.model.crdt.Crdt.GCounterValue;
import cloudstate.tck.model.crdt.Crdt.GSetValue;
import cloudstate.tck.model.crdt.Crdt.LWWRegisterValue;
import cloudstate.tck.model.crdt.Crdt.ORMapEntryValue;
import cloudstate.tck.model.crdt.Crdt.ORMapUpdate;
import cloudstate.tck.model.crdt.Crdt.ORMapValue;
import cloudstate.tck.model.crdt.Crdt.ORSetUpdate;
import cloudstate.tck.model.crdt.Crdt.ORSetValue;
import cloudstate.tck.model.crdt.Crdt.PNCounterValue;
import cloudstate.tck.model.crdt.Crdt.Request;
import cloudstate.tck.model.crdt.Crdt.RequestAction;
import cloudstate.tck.model.crdt.Crdt.Response;
import cloudstate.tck.model.crdt.Crdt.State;
import cloudstate.tck.model.crdt.Crdt.StreamedRequest;
import cloudstate.tck.model.crdt.Crdt.Update;
import cloudstate.tck.model.crdt.Crdt.VoteValue;
import io.cloudstate.javasupport.ServiceCall;
import io.cloudstate.javasupport.ServiceCallRef;
import io.cloudstate.javasupport.crdt.CommandContext;
import io.cloudstate.javasupport.crdt.CommandHandler;
import io.cloudstate.javasupport.crdt.Crdt;
import io.cloudstate.javasupport.crdt.CrdtCreationContext;
import io.cloudstate.javasupport.crdt.CrdtEntity;
import io.cloudstate.javasupport.crdt.CrdtFactory;
import io.cloudstate.javasupport.crdt.Flag;
import io.cloudstate.javasupport.crdt.GCounter;
import io.cloudstate.javasupport.crdt.GSet;
import io.cloudstate.javasupport.crdt.LWWRegister;
import io.cloudstate.javasupport.crdt.ORMap;
import io.cloudstate.javasupport.crdt.ORSet;
import io.cloudstate.javasupport.crdt.PNCounter;
import io.cloudstate.javasupport.crdt.StreamedCommandContext;
import io.cloudstate.javasupport.crdt.Vote;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** A replicated value, of the type that its id begins with. A command says what it does. */
@CrdtEntity
public class Replicated {
  private final ServiceCallRef<Request> two;
  private final Crdt value;

  public Replicated(CrdtCreationContext context) {
    two = context.serviceCallFactory().lookup("cloudstate.tck.model.crdt.CrdtTwo", "Call", Request.class);
    value = context.state(typeOf(context.entityId())).map(Crdt.class::cast).orElseGet(() -> create(context.entityId(), context));
  }

  private static Class<? extends Crdt> typeOf(String name) {
    switch (name.split("-")[0]) {
      case "GCounter":
        return GCounter.class;
      case "PNCounter":
        return PNCounter.class;
      case "GSet":
        return GSet.class;
      case "ORSet":
        return ORSet.class;
      case "LWWRegister":
        return LWWRegister.class;
      case "Flag":
        return Flag.class;
      case "ORMap":
        return ORMap.class;
      case "Vote":
        return Vote.class;
      default:
        throw new IllegalArgumentException(name + " is not the name of a value");
    }
  }

  private static Crdt create(String name, CrdtFactory factory) {
    Class<? extends Crdt> type = typeOf(name);
    if (type == GCounter.class) {
      return factory.newGCounter();
    } else if (type == PNCounter.class) {
      return factory.newPNCounter();
    } else if (type == GSet.class) {
      return factory.<String>newGSet();
    } else if (type == ORSet.class) {
      return factory.<String>newORSet();
    } else if (type == LWWRegister.class) {
      return factory.newLWWRegister("");
    } else if (type == Flag.class) {
      return factory.newFlag();
    } else if (type == ORMap.class) {
      return factory.<String, Crdt>newORMap();
    }
    return factory.newVote();
  }

  @CommandHandler
  public Optional<Response> process(Request request, CommandContext context) {
    for (RequestAction action : request.getActionsList()) {
      if (action.hasFail()) {
        context.fail(action.getFail().getMessage());
      }
    }
    boolean forwarded = false;
    for (RequestAction action : request.getActionsList()) {
      switch (action.getActionCase()) {
        case UPDATE:
          update(value, action.getUpdate());
          break;
        case DELETE:
          context.delete();
          break;
        case FORWARD:
          context.forward(callOfTwo(action.getForward().getId()));
          forwarded = true;
          break;
        case EFFECT:
          context.effect(callOfTwo(action.getEffect().getId()), action.getEffect().getSynchronous());
          break;
        default:
          throw new IllegalArgumentException("a command without an action");
      }
    }
    return forwarded ? Optional.empty() : Optional.of(response());
  }

  @CommandHandler
  public Optional<Response> processStreamed(StreamedRequest request, StreamedCommandContext<Response> context) {
    context.onChange(
        change -> {
          for (Effect effect : request.getEffectsList()) {
            change.effect(callOfTwo(effect.getId()), effect.getSynchronous());
          }
          if (request.hasEndState() && request.getEndState().equals(state(value))) {
            change.endStream();
          }
          return request.getEmpty() ? Optional.empty() : Optional.of(response());
        });
    if (request.hasCancelUpdate()) {
      context.onCancel(cancelled -> update(value, request.getCancelUpdate()));
    }
    if (request.hasInitialUpdate()) {
      update(value, request.getInitialUpdate());
    }
    return request.getEmpty() ? Optional.empty() : Optional.of(response());
  }

  private ServiceCall callOfTwo(String id) {
    return two.createCall(Request.newBuilder().setId(id).build());
  }

  private Response response() {
    return Response.newBuilder().setState(state(value)).build();
  }

  @SuppressWarnings("unchecked")
  private static void update(Crdt value, Update update) {
    switch (update.getUpdateCase()) {
      case GCOUNTER:
        ((GCounter) value).increment(update.getGcounter().getIncrement());
        break;
      case PNCOUNTER:
        ((PNCounter) value).increment(update.getPncounter().getChange());
        break;
      case GSET:
        ((GSet<String>) value).add(update.getGset().getAdd());
        break;
      case ORSET:
        updateSet((ORSet<String>) value, update.getOrset());
        break;
      case LWWREGISTER:
        ((LWWRegister<String>) value)
            .set(
                update.getLwwregister().getValue(),
                LWWRegister.Clock.valueOf(update.getLwwregister().getClock().getClockType().name()),
                update.getLwwregister().getClock().getCustomClockValue());
        break;
      case FLAG:
        ((Flag) value).enable();
        break;
      case ORMAP:
        updateMap((ORMap<String, Crdt>) value, update.getOrmap());
        break;
      case VOTE:
        ((Vote) value).vote(update.getVote().getSelfVote());
        break;
      default:
        throw new IllegalArgumentException("an update of nothing");
    }
  }

  private static void updateSet(ORSet<String> set, ORSetUpdate update) {
    switch (update.getActionCase()) {
      case ADD:
        set.add(update.getAdd());
        break;
      case REMOVE:
        set.remove(update.getRemove());
        break;
      default:
        set.clear();
    }
  }

  private static void updateMap(ORMap<String, Crdt> map, ORMapUpdate update) {
    switch (update.getActionCase()) {
      case ADD:
        map.getOrCreate(update.getAdd(), factory -> create(update.getAdd(), factory));
        break;
      case UPDATE:
        String key = update.getUpdate().getKey();
        update(map.getOrCreate(key, factory -> create(key, factory)), update.getUpdate().getUpdate());
        break;
      case REMOVE:
        map.remove(update.getRemove());
        break;
      default:
        map.clear();
    }
  }

  @SuppressWarnings("unchecked")
  private static State state(Crdt value) {
    State.Builder state = State.newBuilder();
    if (value instanceof GCounter) {
      state.setGcounter(GCounterValue.newBuilder().setValue(((GCounter) value).getValue()));
    } else if (value instanceof PNCounter) {
      state.setPncounter(PNCounterValue.newBuilder().setValue(((PNCounter) value).getValue()));
    } else if (value instanceof GSet) {
      state.setGset(GSetValue.newBuilder().addAllElements(new TreeSet<>((GSet<String>) value)));
    } else if (value instanceof ORSet) {
      state.setOrset(ORSetValue.newBuilder().addAllElements(new TreeSet<>((ORSet<String>) value)));
    } else if (value instanceof LWWRegister) {
      state.setLwwregister(LWWRegisterValue.newBuilder().setValue(((LWWRegister<String>) value).get()));
    } else if (value instanceof Flag) {
      state.setFlag(FlagValue.newBuilder().setValue(((Flag) value).isEnabled()));
    } else if (value instanceof ORMap) {
      ORMapValue.Builder entries = ORMapValue.newBuilder();
      new TreeMap<>((ORMap<String, Crdt>) value)
          .forEach((key, entry) -> entries.addEntries(ORMapEntryValue.newBuilder().setKey(key).setValue(state(entry))));
      state.setOrmap(entries);
    } else {
      Vote vote = (Vote) value;
      state.setVote(
          VoteValue.newBuilder().setSelfVote(vote.getSelfVote()).setVotesFor(vote.getVotesFor()).setTotalVoters(vote.getVoters()));
    }
    return state.build();
  }
}
