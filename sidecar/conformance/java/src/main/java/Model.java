import cloudstate.tck.model.Eventsourced.Persisted;
import cloudstate.tck.model.Eventsourced.Request;
import cloudstate.tck.model.Eventsourced.RequestAction;
import cloudstate.tck.model.Eventsourced.Response;
import io.cloudstate.javasupport.Context;
import io.cloudstate.javasupport.ServiceCall;
import io.cloudstate.javasupport.ServiceCallRef;
import io.cloudstate.javasupport.eventsourced.CommandContext;
import io.cloudstate.javasupport.eventsourced.CommandHandler;
import io.cloudstate.javasupport.eventsourced.EventHandler;
import io.cloudstate.javasupport.eventsourced.EventSourcedEntity;
import io.cloudstate.javasupport.eventsourced.Snapshot;
import io.cloudstate.javasupport.eventsourced.SnapshotHandler;
import java.util.Optional;

/** Its state is the texts of its events. A command says what it does. */
@EventSourcedEntity(persistenceId = "event-sourced-tck-model", snapshotEvery = 5)
public class Model {
  private final ServiceCallRef<Request> two;
  private String state = "";

  public Model(Context context) {
    two = context.serviceCallFactory().lookup("cloudstate.tck.model.EventSourcedTwo", "Call", Request.class);
  }

  @Snapshot
  public Persisted snapshot() {
    return Persisted.newBuilder().setValue(state).build();
  }

  @SnapshotHandler
  public void restore(Persisted snapshot) {
    state = snapshot.getValue();
  }

  @EventHandler
  public void happened(Persisted event) {
    state += event.getValue();
  }

  @CommandHandler
  public Optional<Response> process(Request request, CommandContext context) {
    String answer = state; // to which the library adds the events after this
    boolean forwarded = false;
    for (RequestAction action : request.getActionsList()) {
      switch (action.getActionCase()) {
        case EMIT:
          context.emit(Persisted.newBuilder().setValue(action.getEmit().getValue()).build());
          answer += action.getEmit().getValue();
          break;
        case FORWARD:
          context.forward(callOfTwo(action.getForward().getId()));
          forwarded = true;
          break;
        case EFFECT:
          context.effect(callOfTwo(action.getEffect().getId()), action.getEffect().getSynchronous());
          break;
        case FAIL:
          context.fail(action.getFail().getMessage());
          break;
        default:
          throw new IllegalArgumentException("a command without an action");
      }
    }
    return forwarded ? Optional.empty() : Optional.of(Response.newBuilder().setMessage(answer).build());
  }

  private ServiceCall callOfTwo(String id) {
    return two.createCall(Request.newBuilder().setId(id).build());
  }
}
